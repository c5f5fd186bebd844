import { labelText } from '../labels.ts';
import type { Reserved, ReserveRequest } from '../ledger.ts';
import type { Lines } from '../lines.ts';
import { type Answer, asAsked, refused, standing } from './answers.ts';
import type { Memory } from './memory.ts';
import { Timely } from './timely.ts';
import type { Turns } from './turns.ts';

export interface ReservingParts {
  readonly turns: Turns;
  readonly memory: Memory;
  /** Told of the organisation of each that was answered. */
  readonly enrol: (organization: string) => void;
  /** Gives back what a reserve may have taken whose answer never came. */
  readonly abandon: (error: unknown, request: ReserveRequest, nonce: string) => void;
}

const [beginning, comma, end] = [Buffer.from('[0,'), Buffer.from(','), Buffer.from(']')];

/** A reserve on its way. */
export class Reserving extends Timely {
  readonly reading = false;
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
    super(parts.turns, request);
    this.#parts = parts;
    this.#request = request;
    this.#nonce = nonce;
    this.#resolve = resolve;
    this.#reject = reject;
  }

  write(text: Lines, place = 0): void {
    const { id, amount, lease_ms, owner, labels } = this.#request;
    text.put(beginning);
    text.quoted(id);
    text.put(comma);
    text.whole(place);
    text.put(comma);
    text.whole(amount.nusd);
    text.put(comma);
    text.whole(amount.tokens);
    text.put(comma);
    text.whole(amount.input ?? 0);
    text.put(comma);
    text.whole(lease_ms);
    text.put(comma);
    text.put(ownerText(owner));
    text.put(comma);
    text.quoted(this.#nonce);
    text.put(comma);
    text.quoted(labelText(labels));
    text.put(end);
  }

  answered(answer: Answer): void {
    const { memory, enrol } = this.#parts;
    const { organization, id, budgets, rates } = this.#request;
    const { code } = answer;
    // Also where it is refused: what leaves no room may have been abandoned by one that nobody knew of.
    enrol(organization);
    if (code === 1 || code === 2) {
      this.#resolve(refused(answer, this.plan, () => undefined));
      return;
    }
    const states = standing(answer, this.plan);
    if (code === 6) memory.rename(organization, id, this.#nonce);
    if (code === 0) {
      memory.remember(this.#request, this.#nonce, this.plan, states);
      memory.hear(organization, this.plan.budgets, states, answer.now_ms);
    }
    const asked = asAsked(states, this.plan, budgets, rates);
    this.#resolve({ outcome: 'held', budgets: asked.budgets, rates: asked.rates });
  }

  failed(error: unknown): void {
    this.#parts.abandon(error, this.#request, this.#nonce);
    this.#reject(error);
  }
}

/** The owner named last, and how JSON has it: mostly this process is the owner of all it holds. */
let named = '';
let words = Buffer.from('""');

function ownerText(owner: string): Buffer {
  if (owner !== named) {
    named = owner;
    words = Buffer.from(JSON.stringify(owner));
  }
  return words;
}
