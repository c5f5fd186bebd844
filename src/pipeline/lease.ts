import type { CallerRate, Limits } from '../callers/index.ts';
import type { Intent } from '../observe/index.ts';
import type { Candidate } from '../providers/index.ts';
import { type Amount, HoldGone, type Reserved } from '../stores/index.ts';
import type { Hold } from './admit.ts';
import { modelLimits, rateName } from './call-limits.ts';
import type { Identified } from './identify.ts';
import { added } from './settle.ts';
import type { Walk } from './walk.ts';

const noLimits: Limits = { budgets: [], rates: [] };

/** What a lease needs to know of its exchange. */
export interface Leased extends Identified {
  readonly hold: Pick<Hold, 'amount' | 'kept'>;
  /** The first is the one it holds for. */
  readonly candidates?: readonly Candidate[];
}

/**
 * The hold of one exchange while it lives: renewed three times a lease, so that only a dead process's holds run out, and
 * the one place where its amount changes. One amendment at a time: a renewal must not put back what an extension or a
 * fallback has just made more.
 */
export class Lease {
  readonly #walk: Walk;
  readonly #leased: Leased;
  readonly #intent: ((candidate: Candidate, amount: Amount) => Intent) | undefined;
  readonly #timer: NodeJS.Timeout | undefined;
  /** Candidates whose models' limits are part of the hold. */
  readonly #joined: (Candidate | undefined)[];
  /** Limits of rules that are part of it. */
  readonly #throttles: string[];
  #amount: Amount;
  #owed: Amount = { nusd: 0, tokens: 0 };
  #last: Promise<unknown> = Promise.resolve();
  #over = false;

  /** `intent` tells an exchange whose hold changes: for another amount, with another candidate. */
  constructor(
    walk: Walk,
    leased: Leased,
    intent?: (candidate: Candidate, amount: Amount) => Intent,
    throttles: readonly CallerRate[] = [],
  ) {
    this.#walk = walk;
    this.#leased = leased;
    this.#intent = intent;
    this.#amount = leased.hold.amount;
    this.#joined = [leased.candidates?.[0]];
    this.#throttles = throttles.map(rateName);
    if (!leased.hold.kept) return;
    // A lost ledger reaps nothing either; the next renewal finds it back.
    const renew = (): void => void this.#turn(() => this.#amend(this.#amount, noLimits)).catch(() => {});
    this.#timer = setInterval(renew, leased.pinned.limits.lease_ms / 3);
    this.#timer.unref();
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
      const ofModel = this.#joined.includes(candidate) ? noLimits : modelLimits(this.#leased, candidate);
      const fresh = throttles.filter((rate) => !this.#throttles.includes(rateName(rate)));
      const joining = fresh.length === 0 ? ofModel : { ...ofModel, rates: [...ofModel.rates, ...fresh] };
      const reserved = await this.#amend(amount, joining);
      if (reserved.outcome === 'held') {
        if (!this.#joined.includes(candidate)) this.#joined.push(candidate);
        for (const rate of fresh) this.#throttles.push(rateName(rate));
        this.#amount = amount;
        await this.#note(candidate);
      }
      return reserved;
    });
  }

  /** No renewal any more: the hold is about to be settled or released. */
  stop(): void {
    this.#over = true;
    clearInterval(this.#timer);
  }

  #turn(step: () => Promise<Reserved>): Promise<Reserved> {
    const turn = this.#last.then(step);
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
      await this.#walk.trail.begin(this.#intent(candidate, this.#amount));
    } catch {
      // A disk that is full now: the first intent stands, and with it the record.
    }
  }
}

function sumOf(a: Amount, b: Amount): Amount {
  return { nusd: added(a.nusd, b.nusd), tokens: added(a.tokens, b.tokens), input: added(a.input ?? 0, b.input ?? 0) };
}
