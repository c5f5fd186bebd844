import type { Amendment, Amount, Labels, ReserveRequest } from '../ledger.ts';
import { type Answer, spentOf } from './answers.ts';
import { Latest } from './latest.ts';
import type { Message } from './outbox.ts';
import type { Plan, Planned } from './plan.ts';

/** A hold of this process, with all that is needed to hold it again. */
export interface Held {
  readonly organization: string;
  readonly id: string;
  readonly nonce: string;
  readonly owner: string;
  readonly labels: Labels | undefined;
  amount: Amount;
  lease_ms: number;
  readonly budgets: Map<string, Planned>;
  readonly rates: Map<string, Plan['rates'][number]['rate']>;
}

/** A counter as Redis last told it. */
export interface Told {
  readonly planned: Planned;
  /** On the server's clock. */
  at_ms: number;
  spent: number;
}

/** What was settled or given back, and acknowledged. Kept for long: it shares what it can with others. */
export interface Acknowledged {
  readonly message: Message;
  readonly counters: readonly Told[];
  readonly at_ms: number;
}

const held_max = 100_000;
const told_max = 20_000;
const acknowledged_max = 20_000;
/** How far behind a replica may be that becomes the primary, for all it lost to be told again one by one. */
const acknowledged_ms = 120_000;

const none: readonly Told[] = [];

/** What this process was told and has told, to be told again to a Redis that lost it. Bounded: the oldest goes first. */
export class Memory {
  readonly #held = new Map<string, Held>();
  /** Of each organisation, by their keys. */
  readonly #told = new Map<string, Map<string, Told>>();
  readonly #acknowledged = new Latest<Acknowledged>(acknowledged_max);

  /** What a reserve took (`taken`), or an amendment changed. */
  remember(
    { organization, id, amount, lease_ms }: ReserveRequest | Amendment,
    plan: Plan,
    taken: Pick<Held, 'nonce' | 'owner' | 'labels'> | undefined,
  ): void {
    const name = nameOf(organization, id);
    let held = this.#held.get(name);
    if (held === undefined || (taken !== undefined && held.nonce !== taken.nonce)) {
      const who = taken ?? { nonce: '', owner: 'unknown', labels: undefined };
      held = { organization, id, ...who, amount, lease_ms, budgets: new Map(), rates: new Map() };
      this.#held.set(name, held);
      shrink(this.#held, held_max);
    }
    held.amount = amount;
    held.lease_ms = lease_ms;
    for (const planned of plan.budgets) held.budgets.set(planned.key, planned);
    for (const { key, rate } of plan.rates) held.rates.set(key, rate);
  }

  /** A hold that was asked for again goes by the name of the later reserve. */
  rename(organization: string, id: string, nonce: string): void {
    const name = nameOf(organization, id);
    const held = this.#held.get(name);
    if (held !== undefined) this.#held.set(name, { ...held, nonce });
  }

  /** The counters of a hold; with `past` also of one that was settled not long ago. */
  budgetsOf(organization: string, id: string, past = false): ReadonlyMap<string, Planned> | undefined {
    const name = nameOf(organization, id);
    const held = this.#held.get(name)?.budgets;
    if (held !== undefined || !past) return held;
    const counters = this.#acknowledged.get(name)?.counters ?? none;
    return counters.length === 0 ? undefined : new Map(counters.map(({ planned }) => [planned.key, planned]));
  }

  /** Redis knows nothing of this hold, and nothing was done. */
  drop(organization: string, id: string): void {
    this.#held.delete(nameOf(organization, id));
  }

  /** What the answer to a reserve tells of its counters. */
  hear(organization: string, answer: Answer): void {
    for (const [at, spent] of spentOf(answer).entries()) {
      const planned = answer.plan.budgets[at];
      if (planned !== undefined) Object.assign(this.#counter(organization, planned), { spent, at_ms: answer.now_ms });
    }
  }

  /** A hold on these counters was settled, which was not told: what they had is that much more. */
  add(organization: string, budgets: Iterable<Planned>, { nusd, tokens }: Amount, at_ms: number): void {
    for (const planned of budgets) {
      const counter = this.#counter(organization, planned);
      const { unit } = planned.budget;
      counter.spent = Math.min(
        Number.MAX_SAFE_INTEGER,
        counter.spent + (unit === 'nusd' ? nusd : unit === 'tokens' ? tokens : 1),
      );
      counter.at_ms = at_ms;
    }
  }

  /** A counter was set to zero. */
  reset(organization: string, key: string, at_ms: number): void {
    const known = this.#told.get(organization)?.get(key);
    if (known !== undefined) Object.assign(known, { spent: 0, at_ms });
  }

  #counter(organization: string, planned: Planned): Told {
    let own = this.#told.get(organization);
    if (own === undefined) {
      own = new Map();
      this.#told.set(organization, own);
    }
    let known = own.get(planned.key);
    if (known === undefined) {
      known = { planned, at_ms: 0, spent: 0 };
      own.set(planned.key, known);
      shrink(own, told_max);
    }
    return known;
  }

  /** Redis has done what the message says: the hold is over. */
  acknowledge(message: Message, at_ms = Date.now()): void {
    const name = nameOf(message.organization, message.id);
    const held = this.#held.get(name);
    if (message.op === 'release' && message.nonce !== '' && held?.nonce !== message.nonce) return;
    this.#held.delete(name);
    const counters = held === undefined ? (this.#acknowledged.get(name)?.counters ?? none) : this.#countersOf(held);
    this.#acknowledged.put(name, { message, counters, at_ms });
    this.#acknowledged.forget((known) => at_ms - known.at_ms >= acknowledged_ms);
  }

  #countersOf({ organization, budgets }: Held): readonly Told[] {
    const counters: Told[] = [];
    for (const planned of budgets.values()) counters.push(this.#counter(organization, planned));
    return counters;
  }

  holds(organization: string): Held[] {
    return [...this.#held.values()].filter((one) => one.organization === organization);
  }

  acknowledged(organization: string): Acknowledged[] {
    return [...this.#acknowledged.values()].filter(({ message }) => message.organization === organization);
  }

  counters(organization: string): Told[] {
    return [...(this.#told.get(organization)?.values() ?? [])];
  }
}

function shrink(map: Map<string, unknown>, most: number): void {
  if (map.size <= most) return;
  for (const oldest of map.keys()) {
    map.delete(oldest);
    return;
  }
}

function nameOf(organization: string, id: string): string {
  return `${organization} ${id}`;
}
