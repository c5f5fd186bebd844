import { HoldGone } from '../stores/index.ts';
import { type Admitted, amountFor, openOnLoss } from './admit.ts';
import { limitName } from './affordable.ts';
import type { Answered } from './attempt.ts';
import { callLimits, namesOf } from './call-limits.ts';

/** A step this small is not worth asking for again: the reply ends. */
const stepTokensMin = 16;

/**
 * Extends the hold of a running stream before it is used up: by as much again, and where that does not fit by a quarter
 * of it, and so on, so that a reply ends near what its budget affords and not at half of it. Between two answers of the
 * ledger the stream may go on as far as what is held; past that it waits, and where the hold cannot grow it ends.
 */
export class Ceiling {
  readonly #admitted: Admitted;
  readonly #answered: Answered;
  /** Output tokens held now. */
  #held: number;
  /** Tokens the hold is to grow by next. */
  #step: number;
  #asking = false;
  #refused = false;
  #limitedBy: string | undefined;

  constructor(admitted: Admitted, answered: Answered) {
    this.#admitted = admitted;
    this.#answered = answered;
    this.#held = answered.hold.output.held;
    this.#step = this.#held;
  }

  /** Which limit would not let the hold grow, in words; undefined where none refused. */
  get limitedBy(): string | undefined {
    return this.#refused ? (this.#limitedBy ?? 'the ledger, which could not be asked') : undefined;
  }

  /** Whether a reply that may have taken this many tokens is covered. Asks for more ahead of need; `settled` is called when the answer is there. */
  covers(tokensMax: number, settled: () => void): 'yes' | 'wait' | 'no' {
    const { most } = this.#answered.hold.output;
    if (this.#held >= most || !this.#answered.hold.kept) return 'yes';
    // Half of the last step is left when more is asked for: time for the ledger to answer.
    if (!this.#asking && !this.#refused && tokensMax > this.#held - this.#step / 2)
      void this.#extend(tokensMax, settled);
    if (tokensMax <= this.#held) return 'yes';
    return this.#refused ? 'no' : 'wait';
  }

  async #extend(needed: number, settled: () => void): Promise<void> {
    this.#asking = true;
    try {
      while (!this.#refused && !(await this.#grown(needed))) {
        this.#step = Math.floor(this.#step / 4);
        this.#refused = this.#step < stepTokensMin;
      }
      if (!this.#refused) this.#step = Math.min(this.#step * 2, this.#held);
    } catch (thrown) {
      // The ledger is lost in the middle of a stream, or gave the hold up: more than what is held cannot be promised.
      this.#refused = thrown instanceof HoldGone || !this.#open();
      if (!this.#refused) this.#held = this.#answered.hold.output.most;
    }
    this.#asking = false;
    settled();
  }

  /** Whether the call goes on while the ledger is lost. */
  #open(): boolean {
    const limits = callLimits(this.#admitted, namesOf(this.#answered.candidate), this.#admitted.wanted);
    return openOnLoss(limits, this.#admitted.pinned.limits.on_loss);
  }

  /** Whether the hold has grown by a step, and covers what is needed now. */
  async #grown(needed: number): Promise<boolean> {
    const { hold, candidate, verdict, lease } = this.#answered;
    const next = Math.min(hold.output.most, Math.max(this.#held + this.#step, needed));
    const amount = amountFor(this.#admitted, candidate, verdict, hold.inputTokens, { ...hold.output, held: next });
    const reserved = await lease.hold(amount, candidate);
    if (reserved.outcome === 'held') this.#held = next;
    else this.#limitedBy = limitName(reserved.refusal);
    return reserved.outcome === 'held';
  }
}
