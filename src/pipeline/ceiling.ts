import { HoldGone } from '../stores/index.ts';
import { type Admitted, amountFor } from './admit.ts';
import type { Answered } from './attempt.ts';

/**
 * Extends the hold of a running stream before it is used up. Between two answers of the ledger the stream may go on
 * as far as what is held; past that it waits, and where the hold cannot grow it ends.
 */
export class Ceiling {
  readonly #admitted: Admitted;
  readonly #answered: Answered;
  /** Output tokens held now. */
  #held: number;
  #asking = false;
  #refused = false;

  constructor(admitted: Admitted, answered: Answered) {
    this.#admitted = admitted;
    this.#answered = answered;
    this.#held = answered.hold.output.held;
  }

  /** Whether a reply that may have taken this many tokens is covered. Asks for more ahead of need; `settled` is called when the answer is there. */
  covers(tokensMax: number, settled: () => void): 'yes' | 'wait' | 'no' {
    const { most } = this.#answered.hold.output;
    if (this.#held >= most || !this.#answered.hold.kept) return 'yes';
    if (!this.#asking && !this.#refused && tokensMax * 2 > this.#held) void this.#extend(settled);
    if (tokensMax <= this.#held) return 'yes';
    return this.#refused ? 'no' : 'wait';
  }

  async #extend(settled: () => void): Promise<void> {
    this.#asking = true;
    const { hold, candidate, lease } = this.#answered;
    const next = Math.min(hold.output.most, this.#held * 2);
    try {
      const reserved = await lease.hold(amountFor(this.#admitted, candidate, hold.inputTokens, next), candidate);
      if (reserved.outcome === 'held') this.#held = next;
      else this.#refused = true;
    } catch (thrown) {
      // The ledger is lost in the middle of a stream, or gave the hold up: more than what is held cannot be promised.
      this.#refused = thrown instanceof HoldGone || this.#admitted.pinned.limits.on_loss !== 'open';
      if (!this.#refused) this.#held = hold.output.most;
    }
    this.#asking = false;
    settled();
  }
}
