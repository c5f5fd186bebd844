import { type Budget, LedgerUnavailable, type Rate } from '../ledger.ts';
import type { Lines } from '../lines.ts';
import type { Answer } from './answers.ts';
import { type Asked, type Operation, writeJson } from './asked.ts';
import { type Plan, planOf } from './plan.ts';
import type { Turns } from './turns.ts';

/** Limits of an organisation that something is asked of. */
export interface Concern {
  readonly organization: string;
  readonly budgets: readonly Budget[];
  readonly rates: readonly Rate[];
}

const tries_max = 4;
/** `Operation`'s code for one that changes nothing. */
const reading = 4;

/** Asks in the windows of the server's moment: when one has turned meanwhile, again in the new one. */
export abstract class Timely implements Asked {
  abstract readonly reading: boolean;
  plan: Plan;
  readonly #turns: Turns;
  readonly #concern: Concern;
  #tries = 0;

  constructor(turns: Turns, concern: Concern) {
    this.plan = planOf(concern.budgets, concern.rates, turns.now());
    this.#turns = turns;
    this.#concern = concern;
  }

  told(answer: Answer): void {
    if (answer.code !== 3) {
      this.answered(answer);
      return;
    }
    this.#tries += 1;
    if (this.#tries === tries_max) {
      this.failed(new LedgerUnavailable('the clock of Redis does not agree with itself'));
      return;
    }
    const { organization, budgets, rates } = this.#concern;
    this.plan = planOf(budgets, rates, this.#turns.now());
    this.#turns.push(organization, this);
  }

  abstract write(text: Lines, place: number | undefined): void;
  /** Told once: under the plan that stands in `plan`. */
  abstract answered(answer: Answer): void;
  abstract failed(error: unknown): void;
}

/** An answer, and the plan of its moment. */
export interface InTime {
  readonly answer: Answer;
  readonly plan: Plan;
}

/** Who awaits an answer; `heard` is told it before anyone goes on. */
interface Asker {
  readonly heard: (answer: Answer, plan: Plan) => void;
  readonly resolve: (told: InTime) => void;
  readonly reject: (error: unknown) => void;
}

/** An operation whose answer is awaited. */
class Asking extends Timely {
  readonly reading: boolean;
  readonly #operation: Operation;
  readonly #asker: Asker;

  constructor(turns: Turns, concern: Concern, operation: Operation, asker: Asker) {
    super(turns, concern);
    this.reading = operation[0] === reading;
    this.#operation = operation;
    this.#asker = asker;
  }

  write(text: Lines, place: number | undefined): void {
    writeJson(text, this.#operation, place);
  }

  answered(answer: Answer): void {
    this.#asker.heard(answer, this.plan);
    this.#asker.resolve({ answer, plan: this.plan });
  }

  failed(error: unknown): void {
    this.#asker.reject(error);
  }
}

/** `heard` is told the answer before anyone goes on. */
export function inTime(turns: Turns, concern: Concern, operation: Operation, heard: Asker['heard']): Promise<InTime> {
  return new Promise((resolve, reject) => {
    turns.push(concern.organization, new Asking(turns, concern, operation, { heard, resolve, reject }));
  });
}
