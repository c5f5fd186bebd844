import { Ring } from '../embedded/ring.ts';
import type { Need } from '../leased/admission.ts';
import { type Books, budgetState, isSeats, slotsOf } from '../leased/books.ts';
import { uncount } from '../leased/granted.ts';
import { item } from '../leased/items.ts';
import { note, type Office } from '../leased/office.ts';
import { type RateSlice, type SeatsSlice, type Slice, stir } from '../leased/slices.ts';
import type { BudgetState, Rate, RateState, Refusal } from '../ledger.ts';
import { type Refused, refusedBy, refusedByBudget } from '../refused.ts';

const never = Number.NEGATIVE_INFINITY;
/** A ledger that was heard for so long was told by all processes that live what their shares cost. */
const told_by_all_ms = 5_000;

/** Budgets remembered through their windows. */
const seen_max = 20_000;

interface Left {
  amount: number;
  readonly phase: number;
}

/**
 * While the ledger is lost, what this process may admit of limits that say `local_share`: its share of what was left when
 * the ledger was last seen, among as many processes as lived then. A counter never seen has no share. One that comes and
 * goes gives no second share: a phase lasts until the ledger was heard for a while and knows what was spent of the share,
 * and a window of a rate slides on through all of them. What was spent is told when the ledger is back; it may be more than
 * was left, where others had spent meanwhile what this one could not see.
 */
export class Shares {
  /** Processes that lived when the ledger was last heard, this one among them. */
  #processes = 1;
  /** When that was, Unix ms. */
  #heard_ms = Number.POSITIVE_INFINITY;
  readonly #left = new WeakMap<Slice, Left>();
  readonly #rings = new WeakMap<RateSlice, Ring>();
  #phase = 0;
  /** Monotonic ms at which the ledger was back last; undefined while it is lost. */
  #back_ms: number | undefined;
  /** The limit that stood in for the configured one, or infinity. */
  readonly #seen = new Map<string, number>();

  /** The ledger answered how many live, at a moment of its clock. */
  lives(processes: number, now_ms: number): void {
    this.#processes = Math.max(1, processes);
    this.#heard_ms = now_ms;
  }

  /** The ledger is back, at a moment of the monotonic clock. */
  back(now_ms: number): void {
    this.#back_ms = now_ms;
  }

  /** Takes the needs, all or none. Says what does not fit. */
  take(office: Office, books: Books, needs: readonly Need[]): Refused | undefined {
    if (this.#back_ms !== undefined && office.clock() - this.#back_ms >= told_by_all_ms) this.#phase += 1;
    this.#back_ms = undefined;
    const now_ms = office.now();
    const refusals = needs.flatMap((need) => this.#refusal(books, need, now_ms) ?? []);
    if (refusals.length > 0) return refusedBy(refusals);
    for (const need of needs) {
      if (need.asked <= 0) continue;
      if (need.of === 'budget') {
        const lacking = Math.max(0, need.asked - need.slice.free);
        const amount = this.#leftOf(books, need) - lacking;
        this.#left.set(need.slice, { amount, phase: this.#phase });
        need.slice.free += lacking;
        need.slice.total += lacking;
        stir(need.slice);
        need.slice.shared_ms = office.clock();
      } else if (need.of === 'rate') {
        need.slice.shared_ms = office.clock();
        const ring = this.#ringOf(need.slice);
        ring.advance(now_ms);
        ring.add(ring.head, need.asked);
        // What is left of another slot was counted there, and is no share's.
        if (need.slice.slot !== ring.head) uncount(office, books, need.slice);
        const { key, rate } = need.slice;
        const { slot_ms, count } = slotsOf(rate);
        item.rate(books, key, ring.head, need.asked, slot_ms, count);
        note(office, books, item);
        need.slice.slot = ring.head;
        need.slice.free += need.asked;
      } else need.slice.dirty = true;
    }
    return undefined;
  }

  /** Figures the ledger told another way. */
  seen(office: Office, books: Books, budgets: readonly BudgetState[], rates: readonly RateState[]): void {
    const [now_ms, told_ms] = [office.now(), office.clock()];
    for (const { budget, limit, spent, held } of budgets) {
      const slice = books.slice(budget, now_ms);
      slice.budget = budget;
      Object.assign(slice, { limit, spent, total: held + slice.free, told_ms });
      this.#sees(books, slice);
    }
    for (const { rate, used } of rates) {
      const slice = books.rate(rate);
      slice.rate = rate;
      slice.told_ms = told_ms;
      if (isSeats(slice)) slice.others = Math.max(0, used - slice.taken);
      else slice.used = used;
    }
  }

  #refusal(books: Books, need: Need, now_ms: number): Refusal | undefined {
    const { asked } = need;
    if (asked <= 0) return undefined;
    if (need.of === 'budget') {
      const { slice, budget } = need;
      const limit = this.#limitOf(books, need);
      // Of a limit that was lowered since not even all that was taken may be left.
      const room = limit < slice.limit ? limit - slice.spent - slice.total + slice.free : Number.POSITIVE_INFINITY;
      const most = Math.min(room, slice.free + this.#leftOf(books, need));
      if (!budget.hard || asked <= most) return undefined;
      // All but this share may be spent by others: that is what the caller is told.
      const held = Math.max(0, limit - slice.spent - Math.max(0, most));
      return refusedByBudget(asked, { ...budgetState(budget, slice), limit, held }, now_ms);
    }
    const limit = Math.floor(need.rate.limit / this.#processes);
    const told = need.slice.told_ms > never;
    const { used, retry_after_ms, reset_ms } = this.#used(need, limit, now_ms);
    if (told && used + asked <= limit) return undefined;
    const remaining = told ? Math.max(0, limit - used) : 0;
    return {
      kind: 'rate',
      asked,
      rate: need.rate,
      used: need.rate.limit - remaining,
      remaining,
      reset_ms,
      retry_after_ms,
    };
  }

  #used(need: Need & { readonly slice: RateSlice | SeatsSlice }, limit: number, now_ms: number) {
    if (need.of === 'seats') return { used: need.slice.taken, retry_after_ms: 1_000, reset_ms: 0 };
    const ring = this.#ringOf(need.slice as RateSlice);
    ring.advance(now_ms);
    const excess = Math.max(1, ring.used + need.asked - limit);
    return { used: ring.used, retry_after_ms: ring.retry_ms(now_ms, excess), reset_ms: ring.reset_ms(now_ms) };
  }

  /** Remembers that the ledger told of a budget: the oldest of too many are forgotten, as if never told of. */
  #sees(books: Books, slice: Slice): void {
    const series = seriesOf(books, slice);
    this.#seen.delete(series);
    this.#seen.set(series, standsIn(slice) ? slice.limit : Number.POSITIVE_INFINITY);
    if (this.#seen.size > seen_max) this.#seen.delete(this.#seen.keys().next().value ?? '');
  }

  #ringOf(slice: RateSlice): Ring {
    let ring = this.#rings.get(slice);
    if (ring === undefined) {
      const { slot_ms, count } = slotsOf(slice.rate);
      ring = new Ring(slice.key, slice.rate.unit as Exclude<Rate['unit'], 'concurrent'>, slot_ms, count);
      this.#rings.set(slice, ring);
    }
    return ring;
  }

  #leftOf(books: Books, need: BudgetNeed): number {
    const known = this.#left.get(need.slice);
    const share = this.#shareOf(books, need);
    // What the ledger was not told yet is of the share of before.
    const standing = known !== undefined && (known.phase === this.#phase || need.slice.dirty || books.untold.size > 0);
    return standing ? Math.min(known.amount, share) : share;
  }

  #shareOf(books: Books, need: BudgetNeed): number {
    const { slice } = need;
    let left = 0;
    if (slice.told_ms > never) {
      this.#sees(books, slice);
      left = this.#limitOf(books, need) - slice.spent - slice.total;
    } else if (slice.start_ms > this.#heard_ms && this.#seen.has(seriesOf(books, slice))) {
      // Its window began while the ledger was lost: nobody can have spent more of it than a share. One that has no
      // beginning, or an earlier one, is only unknown here: what was told of it may have been let go.
      left = this.#limitOf(books, need);
    }
    return Math.floor(Math.max(0, left) / this.#processes);
  }

  /**
   * The limit in force, as far as that is known: one that people put in the place of the configured one stands, whatever is
   * configured meanwhile. Until when is not known: in a window that began since it raises nothing.
   */
  #limitOf(books: Books, { slice, budget: { limit } }: BudgetNeed): number {
    if (slice.told_ms > never) return standsIn(slice) ? slice.limit : limit;
    return Math.min(limit, this.#seen.get(seriesOf(books, slice)) ?? limit);
  }
}

type BudgetNeed = Extract<Need, { of: 'budget' }>;

/** Whether the limit that was told is another one than was configured then. */
function standsIn({ limit, budget }: Slice): boolean {
  return limit !== budget.limit;
}

/** A budget through its windows. */
function seriesOf(books: Books, { budget, unit }: Slice): string {
  return `${books.id} ${budget.scope.kind} ${budget.scope.id} ${budget.window} ${unit}`;
}
