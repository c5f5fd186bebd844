import { labelText } from '../labels.ts';
import type { Reserved, ReserveRequest } from '../ledger.ts';
import { type Answer, asAsked, refusal, standing } from './answers.ts';
import type { Memory } from './memory.ts';
import { Timely } from './timely.ts';
import type { Operation, Turns } from './turns.ts';

export interface ReservingParts {
  readonly turns: Turns;
  readonly memory: Memory;
  /** Told of each hold's organisation. */
  readonly enrol: (organization: string) => void;
  /** Gives back what a reserve may have taken whose answer never came. */
  readonly abandon: (error: unknown, request: ReserveRequest, nonce: string) => void;
}

/** A reserve on its way. */
export class Reserving extends Timely {
  readonly #parts: ReservingParts;
  readonly #request: ReserveRequest;
  readonly #nonce: string;
  readonly #resolve: (reserved: Reserved) => void;
  readonly #reject: (error: unknown) => void;

  constructor(
    parts: ReservingParts,
    request: ReserveRequest,
    nonce: string,
    resolve: (reserved: Reserved) => void,
    reject: (error: unknown) => void,
  ) {
    super(parts.turns, request, operationOf(request, nonce));
    this.#parts = parts;
    this.#request = request;
    this.#nonce = nonce;
    this.#resolve = resolve;
    this.#reject = reject;
  }

  answered(answer: Answer): void {
    const { memory, enrol } = this.#parts;
    const { organization, id, budgets, rates } = this.#request;
    const { code } = answer;
    if (code === 1 || code === 2) {
      this.#resolve({ outcome: 'refused', refusal: refusal(answer, this.plan, () => undefined) });
      return;
    }
    const states = standing(answer, this.plan);
    if (code === 6) memory.rename(organization, id, this.#nonce);
    if (code === 0) {
      memory.remember(this.#request, this.#nonce, this.plan, states);
      memory.hear(organization, this.plan.budgets, states, answer.now_ms);
    }
    enrol(organization);
    const asked = asAsked(states, this.plan, budgets, rates);
    this.#resolve({ outcome: 'held', budgets: asked.budgets, rates: asked.rates });
  }

  failed(error: unknown): void {
    this.#parts.abandon(error, this.#request, this.#nonce);
    this.#reject(error);
  }
}

function operationOf(request: ReserveRequest, nonce: string): Operation {
  const { id, amount, lease_ms, owner, labels } = request;
  return [0, id, 0, amount.nusd, amount.tokens, amount.input ?? 0, lease_ms, owner, nonce, labelText(labels)];
}
