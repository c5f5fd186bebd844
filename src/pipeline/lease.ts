import type { CallerRate, Limits } from '../callers/index.ts';
import type { Intent } from '../observe/index.ts';
import type { Candidate } from '../providers/index.ts';
import { type Amount, HoldGone, type Reserved } from '../stores/index.ts';
import type { Admitted, Hold } from './admit.ts';
import { modelLimits, rateName } from './call-limits.ts';
import type { Identified } from './identify.ts';
import { type Renewable, Renewals } from './renewals.ts';
import { added } from './settle.ts';
import type { Walk } from './walk.ts';

const noLimits: Limits = { budgets: [], rates: [] };
const nothing: Amount = Object.freeze({ nusd: 0, tokens: 0 });
const none: readonly never[] = Object.freeze([]);

/** By how long a lease is: few configurations are in force at once. */
const renewals = new Map<number, Renewals>();

/** Three times a lease, so that only a dead process's holds run out. */
function renewalsOf(lease_ms: number): Renewals {
  let found = renewals.get(lease_ms);
  if (found === undefined) {
    found = new Renewals(lease_ms / 3);
    renewals.set(lease_ms, found);
  }
  return found;
}

/** What a lease needs to know of its exchange. */
export interface Leased extends Identified {
  readonly hold: Pick<Hold, 'amount' | 'kept'>;
  /** The first is the one it holds for. */
  readonly candidates?: readonly Candidate[];
}

/**
 * The hold of one exchange while it lives: renewed in time, and the one place where its amount changes. One amendment at a time: a renewal must not put back what an extension or a
 * fallback has just made more.
 */
export class Lease<L extends Leased = Admitted> implements Renewable {
  readonly #walk: Walk;
  readonly #leased: L;
  readonly #intent: ((leased: L, candidate: Candidate, amount: Amount) => Intent) | undefined;
  /** Undefined where nothing is held. */
  readonly #renewals: Renewals | undefined;
  readonly #place: number | undefined;
  /** Candidates beside the first whose models' limits are part of the hold. */
  #joined: readonly Candidate[] = none;
  /** Limits of rules that are part of it. */
  #throttles: readonly CallerRate[];
  #amount: Amount;
  #owed: Amount = nothing;
  #last: Promise<unknown> | undefined = undefined;
  #over = false;

  /** `intent` tells an exchange whose hold changes: for another amount, with another candidate. */
  constructor(
    walk: Walk,
    leased: L,
    intent?: (leased: L, candidate: Candidate, amount: Amount) => Intent,
    throttles: readonly CallerRate[] = none,
  ) {
    this.#walk = walk;
    this.#leased = leased;
    this.#intent = intent;
    this.#amount = leased.hold.amount;
    this.#throttles = throttles;
    this.#renewals = leased.hold.kept ? renewalsOf(leased.pinned.limits.lease_ms) : undefined;
    this.#place = this.#renewals?.add(this);
  }

  /** The hold lives on. A lost ledger reaps nothing either; the next renewal finds it back. */
  renew(): void {
    void this.#turn(() => this.#amend(this.#amount, noLimits)).catch(() => {});
  }

  /** What is held now. */
  get amount(): Amount {
    return this.#amount;
  }

  /** Whether an earlier try may be billed beside the one that is held for. */
  get owes(): boolean {
    return this.#owed.nusd > 0 || this.#owed.tokens > 0;
  }

  /** A try that may be billed: from the next `hold` on it is held for as well. */
  owe({ nusd, tokens, input = 0 }: Amount): void {
    const owed = this.#owed;
    this.#owed = sumOf(owed, { nusd, tokens, input });
  }

  /**
   * Holds this much for the candidate from now on, and what is owed, under its model's limits and what rules limit
   * (`throttles`) as well, all or nothing: refused, the old hold stands. Limits that were joined before stay. Rejects as
   * the ledger does.
   */
  hold(wanted: Amount, candidate: Candidate, throttles: readonly CallerRate[] = []): Promise<Reserved> {
    return this.#turn(async () => {
      const amount = this.owes ? sumOf(wanted, this.#owed) : wanted;
      const isJoined = candidate === this.#leased.candidates?.[0] || this.#joined.includes(candidate);
      const ofModel = isJoined ? noLimits : modelLimits(this.#leased, candidate);
      const known = new Set(this.#throttles.map(rateName));
      const fresh = throttles.filter((rate) => !known.has(rateName(rate)));
      const joining = fresh.length === 0 ? ofModel : { ...ofModel, rates: [...ofModel.rates, ...fresh] };
      const reserved = await this.#amend(amount, joining);
      if (reserved.outcome === 'held') {
        if (!isJoined) this.#joined = [...this.#joined, candidate];
        this.#throttles = [...this.#throttles, ...fresh];
        this.#amount = amount;
        await this.#note(candidate);
      }
      return reserved;
    });
  }

  /** No renewal any more: the hold is about to be settled or released. */
  stop(): void {
    if (this.#over) return;
    this.#over = true;
    if (this.#place !== undefined) this.#renewals?.remove(this.#place);
  }

  #turn(step: () => Promise<Reserved>): Promise<Reserved> {
    const turn = this.#last === undefined ? step() : this.#last.then(step);
    this.#last = turn.catch(() => {});
    return turn;
  }

  #amend(amount: Amount, { budgets, rates }: Limits): Promise<Reserved> {
    const { id, identity, pinned } = this.#leased;
    if (this.#over) return Promise.reject(new HoldGone('the exchange is over'));
    return this.#walk.ledger.amend({
      id,
      organization: identity.caller.organization.id,
      amount,
      lease_ms: pinned.limits.lease_ms,
      budgets,
      rates,
    });
  }

  /** Should the process end, the record made of the intent tells what the ledger settles: so the intent is told anew. */
  async #note(candidate: Candidate): Promise<void> {
    if (this.#over || this.#intent === undefined) return;
    try {
      await this.#walk.trail.begin(this.#intent(this.#leased, candidate, this.#amount));
    } catch {
      // A disk that is full now: the first intent stands, and with it the record.
    }
  }
}

function sumOf(a: Amount, b: Amount): Amount {
  return { nusd: added(a.nusd, b.nusd), tokens: added(a.tokens, b.tokens), input: added(a.input ?? 0, b.input ?? 0) };
}
