import type { Amendment, Amount, Labels, ReserveRequest } from '../ledger.ts';
import { type Answer, spentOf } from './answers.ts';
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
  readonly organization: string;
  readonly planned: Planned;
  /** On the server's clock. */
  at_ms: number;
  spent: number;
}

/** What was settled or given back, and acknowledged. */
export interface Acknowledged {
  readonly message: Message;
  readonly budgets: ReadonlyMap<string, Planned>;
  readonly at_ms: number;
}

const held_max = 100_000;
const told_max = 100_000;
const acknowledged_max = 20_000;
/** How far behind a replica may be that becomes the primary, for all it lost to be told again one by one. */
const acknowledged_ms = 120_000;

/** What this process was told and has told, to be told again to a Redis that lost it. Bounded: the oldest goes first. */
export class Memory {
  readonly #held = new Map<string, Held>();
  readonly #told = new Map<string, Told>();
  readonly #acknowledged = new Map<string, Acknowledged>();

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
    const budgets = this.#acknowledged.get(name)?.budgets;
    return budgets === undefined || budgets.size === 0 ? undefined : budgets;
  }

  /** Redis knows nothing of this hold, and nothing was done. */
  drop(organization: string, id: string): void {
    this.#held.delete(nameOf(organization, id));
  }

  /** What the answer to a reserve tells of its counters. */
  hearAll(organization: string, base: string, answer: Answer): void {
    for (const [at, spent] of spentOf(answer).entries()) {
      const planned = answer.plan.budgets[at];
      if (planned !== undefined) this.hear(organization, base, planned, spent, answer.now_ms);
    }
  }

  /** Something else became of a counter we know. */
  hearAgain(name: string, spent: number, at_ms: number): void {
    const known = this.#told.get(name);
    if (known !== undefined) Object.assign(known, { spent, at_ms });
  }

  /** Redis told what is spent of a counter. */
  hear(organization: string, base: string, planned: Planned, spent: number, at_ms: number): void {
    const name = base + planned.key;
    const known = this.#told.get(name);
    if (known !== undefined) {
      known.at_ms = at_ms;
      known.spent = spent;
      return;
    }
    this.#told.set(name, { organization, planned, at_ms, spent });
    shrink(this.#told, told_max);
  }

  /** Redis has done what the message says: the hold is over. */
  acknowledge(message: Message, at_ms = Date.now()): void {
    const name = nameOf(message.organization, message.id);
    const held = this.#held.get(name);
    if (message.op === 'release' && message.nonce !== '' && held?.nonce !== message.nonce) return;
    this.#held.delete(name);
    const budgets = held?.budgets ?? this.#acknowledged.get(name)?.budgets ?? new Map<string, Planned>();
    this.#acknowledged.delete(name);
    this.#acknowledged.set(name, { message, budgets, at_ms });
    shrink(this.#acknowledged, acknowledged_max);
    for (const [oldest, { at_ms: then_ms }] of this.#acknowledged) {
      if (at_ms - then_ms < acknowledged_ms) break;
      this.#acknowledged.delete(oldest);
    }
  }

  holds(organization: string): Held[] {
    return [...this.#held.values()].filter((one) => one.organization === organization);
  }

  acknowledged(organization: string): Acknowledged[] {
    return [...this.#acknowledged.values()].filter(({ message }) => message.organization === organization);
  }

  counters(organization: string): Told[] {
    return [...this.#told.values()].filter((one) => one.organization === organization);
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
