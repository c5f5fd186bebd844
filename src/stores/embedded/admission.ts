import type { Amount, Budget, BudgetState, Rate, RateState, Refusal, Reserved } from '../ledger.ts';
import { rateOfKey, sizeIn } from '../rate-key.ts';
import { refusedByBudget } from '../refused.ts';
import { advance, amountIn, emptyAt } from '../tally.ts';
import { budgetOfKey } from '../window-key.ts';
import type { Organization } from './organization.ts';
import { Ring } from './ring.ts';
import { type Counter, type Hold, isForgiven, type Joining, type Seats } from './state.ts';

/** What a call may hold, or all that refuses it. Nothing is changed but the limits in force. */
export interface Admission extends Joining {
  readonly counters: Counter[];
  readonly rings: Ring[];
  readonly seats: Seats[];
  /** The budget that governs each counter: the strictest that refuses, else the lowest. */
  readonly governing: Budget[];
  /** Empty where there is room. */
  readonly refusals: readonly Refusal[];
}

const none: readonly Refusal[] = Object.freeze([]);

/** Checks every limit against the amount. `hold` is the one being amended: what it already holds is asked only for more. */
export function admit(
  org: Organization,
  amount: Amount,
  budgets: readonly Budget[],
  rates: readonly Rate[],
  now_ms: number,
  hold?: Hold,
): Admission {
  const counters = new Array<Counter>(budgets.length);
  const governing = new Array<Budget>(budgets.length);
  let counted = 0;
  let refusals: Refusal[] | undefined;
  for (const budget of budgets) {
    const counter = org.counter(budget, now_ms);
    const asked = amountIn(budget.unit, amount) - hasIn(counter, hold);
    const limit = org.limitOf(counter, budget.limit, now_ms);
    if (exceeds(counter, budget.hard, limit, asked)) {
      refusals ??= [];
      refusals.push(refusedByBudget(asked, budgetState(budget, counter, limit, org), now_ms));
    }
    const place = counters.indexOf(counter);
    if (place < 0) {
      counters[counted] = counter;
      governing[counted++] = budget;
    } else if (stricter(budget, governing[place])) {
      governing[place] = budget;
    }
  }
  const { time_ms } = org;
  const seated = seatsAmong(rates);
  const rings = new Array<Ring>(rates.length - seated);
  const seats = new Array<Seats>(seated);
  let [turning, sitting] = [0, 0];
  for (const rate of rates) {
    const limited = org.rate(rate);
    if (limited instanceof Ring) {
      const asked = askedOfRing(limited, amount, time_ms, hold);
      if (overflows(limited, rate.limit, asked)) {
        refusals ??= [];
        refusals.push(refusedByRing(org, rate, limited, asked, hold));
      }
      if (!rings.includes(limited)) rings[turning++] = limited;
    } else {
      const asked = hold?.seats.includes(limited) && !hold.provisional ? 0 : 1;
      if (asked > 0 && limited.taken + asked > rate.limit) {
        refusals ??= [];
        refusals.push({ kind: 'rate', asked, retry_after_ms: seat_retry_ms, ...rateState(rate, limited, time_ms) });
      }
      if (!seats.includes(limited)) seats[sitting++] = limited;
    }
  }
  cut(counters, counted);
  cut(governing, counted);
  cut(rings, turning);
  cut(seats, sitting);
  return { counters, rings, seats, governing, refusals: refusals ?? none };
}

function seatsAmong(rates: readonly Rate[]): number {
  let seats = 0;
  for (const { unit } of rates) if (unit === 'concurrent') seats++;
  return seats;
}

/** Limits that share a counter leave room. */
function cut(list: unknown[], length: number): void {
  if (list.length > length) list.length = length;
}

/** A seat is free when some call ends: nobody knows when, so a caller is asked to come back soon. */
export const seat_retry_ms = 1_000;

/** What refuses more of what is held already, under the limits last asked for. */
export function admitMore(
  org: Organization,
  hold: Hold,
  amount: Amount,
  named: Admission,
  now_ms: number,
): readonly Refusal[] {
  const { time_ms } = org;
  let refusals: Refusal[] | undefined;
  for (const counter of hold.counters) {
    if (named.counters.includes(counter)) continue;
    const budget = budgetOf(counter);
    const limit = org.limitOf(counter, budget.limit, now_ms);
    advance(counter, time_ms);
    const asked = amountIn(counter.unit, amount) - hasIn(counter, hold);
    if (exceeds(counter, budget.hard, limit, asked)) {
      refusals ??= [];
      refusals.push(refusedByBudget(asked, budgetState(budget, counter, limit, org), now_ms));
    }
  }
  for (const { ring } of hold.rings) {
    if (named.rings.includes(ring)) continue;
    const asked = askedOfRing(ring, amount, time_ms, hold);
    const rate = ring.rate ?? rateOfKey(ring.key, ring.limit);
    if (!overflows(ring, ring.limit, asked)) continue;
    refusals ??= [];
    refusals.push(refusedByRing(org, rate, ring, asked, hold));
  }
  if (!hold.provisional) return refusals ?? none;
  for (const seats of hold.seats) {
    if (named.seats.includes(seats) || seats.taken < seats.limit) continue;
    const rate = seats.rate ?? rateOfKey(seats.key, seats.limit);
    refusals ??= [];
    refusals.push({ kind: 'rate', asked: 1, retry_after_ms: seat_retry_ms, ...rateState(rate, seats, time_ms) });
  }
  return refusals ?? none;
}

/** The answer to a hold: every limit as it stands. */
export function held(
  org: Organization,
  budgets: readonly Budget[],
  rates: readonly Rate[],
  now_ms: number,
): Extract<Reserved, { outcome: 'held' }> {
  return {
    outcome: 'held',
    budgets: budgets.map((budget) => {
      const counter = org.counter(budget, now_ms);
      return budgetState(budget, counter, org.limitOf(counter, budget.limit, now_ms), org);
    }),
    rates: rates.map((rate) => rateState(rate, org.rate(rate), org.time_ms)),
  };
}

/** Every limit of a hold as it stands. */
export function heldBy(org: Organization, hold: Hold, now_ms: number): Extract<Reserved, { outcome: 'held' }> {
  return {
    outcome: 'held',
    budgets: states(org, hold, now_ms),
    rates: [...hold.rings.map(({ ring }) => ring), ...hold.seats].map((one) =>
      rateState(one.rate ?? rateOfKey(one.key, one.limit), one, org.time_ms),
    ),
  };
}

export function states(org: Organization, hold: Hold, now_ms: number): readonly BudgetState[] {
  return hold.counters.map((counter) => {
    const budget = budgetOf(counter);
    return budgetState(budget, counter, org.limitOf(counter, budget.limit, now_ms), org);
  });
}

function budgetState(budget: Budget, counter: Counter, limit: number, org: Organization): BudgetState {
  const { spent, held, rolling } = counter;
  const resets_at_ms = rolling === undefined ? counter.end_ms : emptyAt(rolling, org.time_ms) - org.ahead_ms;
  return { budget, limit, spent, held, resets_at_ms };
}

function rateState(rate: Rate, limited: Ring | Seats, now_ms: number): RateState {
  if (!(limited instanceof Ring)) {
    const { taken } = limited;
    return { rate, used: taken, remaining: Math.max(0, rate.limit - taken), reset_ms: 0 };
  }
  limited.advance(now_ms);
  const { used } = limited;
  return { rate, used, remaining: Math.max(0, rate.limit - used), reset_ms: limited.reset_ms(now_ms) };
}

/** As it was asked for last, or what its key and its journal tell of it. */
function budgetOf(counter: Counter): Budget {
  if (counter.budget !== undefined) return counter.budget;
  const known = budgetOfKey(counter.key)?.budget;
  if (known === undefined) throw new Error(`'${counter.key}' is no key of a budget`);
  return { ...known, limit: counter.limit, hard: counter.hard, warnPercent: [] };
}

/** What of a hold counts in a counter: an estimate that was forgiven there does not. */
function hasIn(counter: Counter, hold: Hold | undefined): number {
  if (hold === undefined || !hold.counters.includes(counter)) return 0;
  return hold.provisional && isForgiven(hold, counter) ? 0 : amountIn(counter.unit, hold);
}

function exceeds(counter: Counter, hard: boolean, limit: number, asked: number): boolean {
  // Beyond 2^53 sums are not exact, so a budget that only counts stops there as well.
  const most = hard ? limit : Number.MAX_SAFE_INTEGER;
  return asked > 0 && counter.spent + counter.held + asked > most;
}

function stricter(budget: Budget, than: Budget | undefined): boolean {
  if (than === undefined || budget.hard !== than.hard) return budget.hard;
  return budget.limit < than.limit;
}

function askedOfRing(ring: Ring, amount: Amount, now_ms: number, hold: Hold | undefined): number {
  ring.advance(now_ms);
  const share = hold?.rings.find((one) => one.ring === ring);
  if (ring.unit === 'requests') return share === undefined ? 1 : 0;
  const size = sizeIn(ring.unit, amount);
  return share === undefined || hold === undefined ? size : size - sizeIn(ring.unit, hold);
}

function overflows(ring: Ring, limit: number, asked: number): boolean {
  return asked > 0 && ring.used + asked > limit;
}

function refusedByRing(org: Organization, rate: Rate, ring: Ring, asked: number, hold: Hold | undefined): Refusal {
  const { time_ms } = org;
  const excess = ring.used + asked - rate.limit;
  const retry_after_ms = ring.retry_ms(time_ms, excess);
  const others = ring.unit === 'requests' ? undefined : heldIn(ring, org, hold);
  const soonest = others === undefined ? {} : { soonest_ms: ring.retry_ms(time_ms, Math.max(0, excess - others)) };
  return { kind: 'rate', asked, retry_after_ms, ...soonest, ...rateState(rate, ring, time_ms) };
}

/** So many holds are looked through for a refusal, and no more: refusals may come by the thousand. */
const looked_max = 1_000;

/** What calls under way may give back of a window, but for `hold`; undefined where they are too many to look through. */
function heldIn(ring: Ring, { holds }: Organization, hold: Hold | undefined): number | undefined {
  if (holds.size > looked_max) return undefined;
  let sum = 0;
  for (const one of holds.values()) {
    if (one === hold) continue;
    for (const share of one.rings) if (share.ring === ring && ring.holds(share.slot)) sum += share.amount;
  }
  return sum;
}
