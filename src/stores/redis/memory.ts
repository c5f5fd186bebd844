import type { Amendment, Amount, Labels, ReserveRequest } from '../ledger.ts';
import { LiveMap } from '../live-map.ts';
import { type Abandoned, AbandonedLately } from './abandoned.ts';
import { type Acknowledged, AcknowledgedLately } from './acknowledged.ts';
import { Added } from './added.ts';
import type { States, Sum } from './answers.ts';
import type { Message } from './outbox.ts';
import type { Limits, Planned } from './plan.ts';

/** A hold of this process, with all that is needed to hold it again. */
export interface Held {
  readonly organization: string;
  readonly id: string;
  nonce: string;
  readonly owner: string;
  readonly labels: Labels | undefined;
  amount: Amount;
  lease_ms: number;
  /** Of the plan it was reserved by, until an amendment adds to them. */
  limits: Limits;
  /** Under each of its limits was room for as much again as all held: nobody waits for what it gives back. */
  roomy: boolean;
}

/** A counter as Redis last told it, and what this process has settled on it since. Times are on the server's clock. */
export interface Told {
  readonly planned: Planned;
  at_ms: number;
  spent: number;
  /** Settled here since then. */
  readonly added: Added;
  /** Whether it is still remembered: too many are not. */
  known: boolean;
}

/** A counter that was set to zero from here: how often it was by then, and when on the server's clock. */
export interface Zeroed {
  readonly key: string;
  readonly resets: number;
  readonly at_ms: number;
}

/** The counters of a list of budgets, found once. */
interface Found {
  readonly organization: string;
  readonly counters: readonly Told[];
}

const held_max = 100_000;
const told_max = 20_000;
const zeroed_max = 10_000;
const acknowledged_max = 20_000;
/** How far behind a replica may be that becomes the primary, for all it lost to be told again one by one. */
const acknowledged_ms = 120_000;

const none: readonly Told[] = [];
const nothing: readonly Sum[] = [];

/** What this process was told and has told, to be told again to a Redis that lost it. Bounded: the oldest goes first. */
export class Memory {
  /** Of each organisation, by their ids. */
  readonly #held = new Map<string, LiveMap<Held>>();
  #holding = 0;
  /** Of each organisation, by their keys. */
  readonly #told = new Map<string, Map<string, Told>>();
  readonly #found = new WeakMap<readonly Planned[], Found>();
  #acknowledged: AcknowledgedLately | undefined;
  readonly #abandoned = new AbandonedLately();
  /** Of each organisation, by their keys; the latest last. */
  readonly #zeroed = new Map<string, Map<string, Zeroed>>();

  held(organization: string, id: string): Held | undefined {
    return this.#held.get(organization)?.get(id);
  }

  /** What a reserve took: a hold that was asked for again goes by the name of the later one. */
  remember(
    { organization, id, amount, lease_ms, labels, owner }: ReserveRequest,
    nonce: string,
    limits: Limits,
    states: States,
  ): void {
    const roomy = isRoomy(states);
    this.#hold({ organization, id, nonce, owner, labels, amount, lease_ms, limits, roomy });
  }

  /** What an amendment changed. */
  change({ organization, id, amount, lease_ms }: Amendment, limits: Limits): void {
    const held = this.held(organization, id);
    if (held === undefined) {
      const who = { nonce: '', owner: 'unknown', labels: undefined };
      this.#hold({ organization, id, ...who, amount, lease_ms, limits, roomy: false });
      return;
    }
    held.amount = amount;
    held.lease_ms = lease_ms;
    held.limits = joined(held.limits, limits);
    held.roomy = false;
  }

  #hold(held: Held): void {
    const { organization, id } = held;
    let own = this.#held.get(organization);
    if (own === undefined) {
      own = new LiveMap();
      this.#held.set(organization, own);
    }
    const before = own.size;
    own.set(id, held);
    this.#holding += own.size - before;
    if (this.#holding > held_max) this.#holding -= own.delete(own.oldest()?.id ?? id) ? 1 : 0;
  }

  /** A hold that was asked for again goes by the name of the later reserve. */
  rename(organization: string, id: string, nonce: string): void {
    const held = this.held(organization, id);
    if (held !== undefined) held.nonce = nonce;
  }

  /** The counters of a hold; with `past` also of one that was settled not long ago. */
  budgetsOf(organization: string, id: string, past = false): readonly Planned[] | undefined {
    const held = this.held(organization, id);
    if (held !== undefined || !past) return held?.limits.budgets;
    const counters = this.#acknowledged?.get(organization, id)?.counters ?? none;
    return counters.length === 0 ? undefined : counters.map(({ planned }) => planned);
  }

  /** Redis knows nothing of this hold, and nothing was done. */
  drop(organization: string, id: string): void {
    if (this.#held.get(organization)?.delete(id) === true) this.#holding -= 1;
  }

  /** What the answer to a reserve tells of its counters. */
  hear(organization: string, budgets: readonly Planned[], states: States, at_ms: number): void {
    const counters = this.#countersOf(organization, budgets);
    for (let at = 0; at < counters.length; at += 1) {
      const [counter, state] = [counters[at], states.budgets[at]];
      if (counter === undefined || state === undefined) continue;
      toldOf(counter, state.spent, at_ms);
    }
  }

  /** What an answer tells of counters by their keys. */
  hearAll(organization: string, sums: readonly Sum[], at_ms: number): void {
    for (const { planned, spent } of sums) toldOf(this.#counter(organization, planned), spent, at_ms);
  }

  /** A hold on these counters was settled, and what they have now was not told: others may have settled as well. */
  add(organization: string, budgets: readonly Planned[], nusd: number, tokens: number, at_ms: number): void {
    const counters = this.#countersOf(organization, budgets);
    for (let at = 0; at < counters.length; at += 1) {
      const counter = counters[at];
      if (counter === undefined) continue;
      const { unit } = counter.planned.budget;
      counter.added.put(at_ms, unit === 'nusd' ? nusd : unit === 'tokens' ? tokens : 1);
    }
  }

  /** A counter was set to zero from here, whether or not anything else was asked of it. */
  reset(organization: string, zeroed: Zeroed): void {
    const { key, at_ms } = zeroed;
    const known = this.#told.get(organization)?.get(key);
    if (known !== undefined && known.at_ms <= at_ms) toldOf(known, 0, at_ms);
    const own = this.#zeroed.get(organization) ?? new Map<string, Zeroed>();
    this.#zeroed.set(organization, own);
    own.delete(key);
    own.set(key, zeroed);
    if (own.size > zeroed_max) shrink(own);
  }

  zeroed(organization: string): Zeroed[] {
    return [...(this.#zeroed.get(organization)?.values() ?? [])];
  }

  /** Those of a list of budgets, in its order. */
  #countersOf(organization: string, budgets: readonly Planned[]): readonly Told[] {
    const found = this.#found.get(budgets);
    if (found?.organization === organization && found.counters.every(isKnown)) return found.counters;
    const counters = budgets.map((planned) => this.#counter(organization, planned));
    this.#found.set(budgets, { organization, counters });
    return counters;
  }

  #counter(organization: string, planned: Planned): Told {
    let own = this.#told.get(organization);
    if (own === undefined) {
      own = new Map();
      this.#told.set(organization, own);
    }
    let known = own.get(planned.key);
    if (known === undefined) {
      known = { planned, at_ms: 0, spent: 0, added: new Added(), known: true };
      own.set(planned.key, known);
      if (own.size > told_max) {
        const oldest = shrink(own);
        if (oldest !== undefined) oldest.known = false;
      }
    }
    return known;
  }

  /** Redis has done what the message says: the hold is over. `told` are its counters, where Redis named them. */
  acknowledge(message: Message, told: readonly Sum[] = nothing, at_ms = Date.now()): void {
    const { organization, id } = message;
    const held = this.held(organization, id);
    if (message.op === 'release' && message.nonce !== '' && held?.nonce !== message.nonce) return;
    this.drop(organization, id);
    this.#abandoned.delete(organization, id);
    this.#acknowledged ??= new AcknowledgedLately(acknowledged_max, acknowledged_ms);
    const counters =
      held !== undefined
        ? this.#countersOf(organization, held.limits.budgets)
        : told.length > 0
          ? told.map(({ planned }) => this.#counter(organization, planned))
          : (this.#acknowledged.get(organization, id)?.counters ?? none);
    this.#acknowledged.put(message, counters, at_ms);
  }

  holds(organization: string): Held[] {
    return [...(this.#held.get(organization)?.values() ?? [])];
  }

  /** What was settled at the estimate for owners that abandoned it. */
  reaped(organization: string, all: readonly Abandoned[]): void {
    for (const one of all) this.#abandoned.put(organization, one);
  }

  abandoned(organization: string): Abandoned[] {
    return this.#abandoned.of(organization);
  }

  acknowledged(organization: string): Acknowledged[] {
    return this.#acknowledged?.of(organization) ?? [];
  }

  counters(organization: string): Told[] {
    return [...(this.#told.get(organization)?.values() ?? [])];
  }
}

/** Whether others find as much room as all of it once more, before what is held now is given back. */
function isRoomy({ budgets, rates }: States): boolean {
  for (const { budget, limit, spent, held } of budgets) if (budget.hard && spent + 2 * held > limit) return false;
  for (const { rate, used } of rates) if (rate.unit !== 'requests' && 2 * used > rate.limit) return false;
  return true;
}

/** Those of both, each once: a later one in the place of the earlier one of its key. */
function joined(before: Limits, more: Limits): Limits {
  const budgets = new Map(before.budgets.map((planned) => [planned.key, planned]));
  for (const planned of more.budgets) budgets.set(planned.key, planned);
  const rates = new Map(before.rates.map((one) => [one.key, one]));
  for (const one of more.rates) rates.set(one.key, one);
  return { budgets: [...budgets.values()], rates: [...rates.values()] };
}

function toldOf(counter: Told, spent: number, at_ms: number): void {
  counter.spent = spent;
  counter.at_ms = at_ms;
  counter.added.clear();
}

function isKnown({ known }: Told): boolean {
  return known;
}

/** Takes out the oldest. */
function shrink<T>(map: Map<string, T>): T | undefined {
  for (const [name, oldest] of map) {
    map.delete(name);
    return oldest;
  }
  return undefined;
}
