import type { Budget, BudgetState, Rate, RateState, Refusal, Reserved } from '../ledger.ts';
import { rateOfKey } from '../rate-key.ts';
import { type Refused, refusedBy, refusedByBudget } from '../refused.ts';
import { budgetOfKey } from '../window-key.ts';
import { type Limits, type Plan, type Planned, plannedOf } from './plan.ts';

const [space, newline, minus, zero] = [32, 10, 45, 48];

/** Numbers and words of a script's answer, one after the other, up to the end of a line. */
class Reader {
  readonly #bytes: Buffer;
  #at: number;
  readonly #end: number;

  constructor(bytes: Buffer, at: number, end: number) {
    this.#bytes = bytes;
    this.#at = at;
    this.#end = end;
  }

  get more(): boolean {
    return this.#at < this.#end;
  }

  number(): number {
    if (this.#at >= this.#end) throw new Error('Redis answered with fewer numbers than limits were asked');
    const bytes = this.#bytes;
    const negative = bytes[this.#at] === minus;
    if (negative) this.#at += 1;
    let sum = 0;
    for (;;) {
      const byte = this.#at < this.#end ? bytes[this.#at] : undefined;
      this.#at += 1;
      if (byte === undefined || byte === space) return negative ? -sum : sum;
      // The digit first: with the letter's number a sum may be above 2^53 between.
      sum = sum * 10 + (byte - zero);
    }
  }

  /** All that is left, as text. */
  rest(): string {
    return this.#bytes.toString('utf8', this.#at, this.#end);
  }

  word(): string {
    const start = this.#at;
    while (this.#at < this.#end && this.#bytes[this.#at] !== space) this.#at += 1;
    return this.#bytes.toString('latin1', start, this.#at++);
  }
}

/** What one operation was answered: a code and what it calls for (`lua/answers.ts`), as a line of bytes. */
export class Answer {
  readonly code: number;
  /** Whether limits stand in for configured ones: then states tell the limit in force. */
  readonly raised: boolean;
  /** The server's. */
  readonly now_ms: number;
  readonly #bytes: Buffer;
  readonly #at: number;
  readonly #end: number;

  constructor(bytes: Buffer, at: number, end: number, raised: boolean, now_ms: number) {
    this.#bytes = bytes;
    this.#at = at;
    this.#end = end;
    this.raised = raised;
    this.now_ms = now_ms;
    this.code = new Reader(bytes, at, end).number();
  }

  /** From the code on. */
  read(): Reader {
    return new Reader(this.#bytes, this.#at, this.#end);
  }
}

/** The answers of a turn, in its order. Throws where it is no answer of a turn. */
export function answersOf(bytes: Buffer): Answer[] {
  let end = endOf(bytes, 0);
  const head = new Reader(bytes, 0, end);
  const now_ms = head.number();
  const raised = head.number() === 1;
  const answers: Answer[] = [];
  while (end < bytes.length) {
    const at = end + 1;
    end = endOf(bytes, at);
    answers.push(new Answer(bytes, at, end, raised, now_ms));
  }
  return answers;
}

function endOf(bytes: Buffer, at: number): number {
  const end = bytes.indexOf(newline, at);
  return end === -1 ? bytes.length : end;
}

export interface States {
  readonly budgets: readonly BudgetState[];
  readonly rates: readonly RateState[];
}

/** What `reserve` and `read` answer, of each counter of the plan. */
export function standing(answer: Answer, plan: Plan): States {
  const reader = answer.read();
  reader.number();
  const budgets = plan.budgets.map(({ budget, end_ms }): BudgetState => {
    const spent = reader.number();
    const held = reader.number();
    const limit = answer.raised ? reader.number() : budget.limit;
    const resets_at_ms = budget.window === 'rolling' ? reader.number() : end_ms;
    return { budget, limit, spent, held, resets_at_ms };
  });
  const rates = plan.rates.map(({ rate }): RateState => {
    const used = reader.number();
    const reset_ms = reader.number();
    return { rate, used, remaining: Math.max(0, rate.limit - used), reset_ms };
  });
  return { budgets, rates };
}

/** `standing` for every limit asked about: some may share a counter. */
export function asAsked(states: States, plan: Plan, budgets: readonly Budget[], rates: readonly Rate[]): States {
  return {
    budgets:
      states.budgets.length === budgets.length
        ? states.budgets
        : budgets.map((budget, at): BudgetState => {
            const state = pick(states.budgets, plan.budgetPlaces[at]);
            return { ...state, budget, limit: state.limit === state.budget.limit ? budget.limit : state.limit };
          }),
    rates:
      states.rates.length === rates.length
        ? states.rates
        : rates.map((rate, at): RateState => {
            const { used, reset_ms } = pick(states.rates, plan.ratePlaces[at]);
            return { rate, used, remaining: Math.max(0, rate.limit - used), reset_ms };
          }),
  };
}

/** What codes 1 and 2 tell. A limit that was not named in the call is told by its key. */
export function refused(answer: Answer, plan: Limits, known: (key: string) => Budget | undefined): Refused {
  const reader = answer.read();
  const refusals: Refusal[] = [];
  do refusals.push(refusal(reader, plan, known, answer.now_ms));
  while (reader.more);
  return refusedBy(refusals);
}

function refusal(reader: Reader, plan: Limits, known: (key: string) => Budget | undefined, now_ms: number): Refusal {
  const code = reader.number();
  const name = reader.word();
  const asked = reader.number();
  const place = /^\d+$/.test(name) ? Number(name) : -1;
  if (code === 1) {
    const planned = plan.budgets[place];
    const state = nextState(reader, planned?.key ?? name, (key) => planned?.budget ?? known(key));
    return refusedByBudget(asked, state, now_ms);
  }
  const [retry_after_ms, used, reset_ms, limit] = [reader.number(), reader.number(), reader.number(), reader.number()];
  const rate = plan.rates[place]?.rate ?? rateOfKey(name, limit);
  return { kind: 'rate', asked, retry_after_ms, rate, used, remaining: Math.max(0, rate.limit - used), reset_ms };
}

/** What `amend` answers: every limit the hold has, told by its key. */
export function amended(answer: Answer, plan: Limits, known: (key: string) => Budget | undefined): Reserved {
  const reader = answer.read();
  reader.number();
  const budgets = nextStates(reader, known);
  const rates: RateState[] = [];
  while (reader.more) {
    const [key, used, reset_ms, limit] = [reader.word(), reader.number(), reader.number(), reader.number()];
    const rate = plan.rates.find((one) => one.key === key)?.rate ?? rateOfKey(key, limit);
    rates.push({ rate, used, remaining: Math.max(0, limit - used), reset_ms });
  }
  return { outcome: 'held', budgets, rates };
}

/** A counter and its sum, as an answer that names counters by their keys has them. */
export interface Sum {
  readonly planned: Planned;
  readonly spent: number;
}

/** Of an answer of code 5, every budget's sum. */
export function sumsOf(answer: Answer): Sum[] {
  const reader = answer.read();
  reader.number();
  const sums: Sum[] = [];
  for (let left = reader.number(); left > 0; left--) {
    const key = reader.word();
    const { budget, spent } = nextState(reader, key, () => undefined);
    sums.push({ planned: plannedOf(key, budget), spent });
  }
  return sums;
}

/** What `reset` answers: how often that counter was set to zero. */
export function resetsOf(answer: Answer): number {
  const reader = answer.read();
  reader.number();
  return reader.number();
}

/** What `settle` answers, of a hold whose counters these are as far as we know. */
export function settled(answer: Answer, mine: readonly Planned[]): BudgetState[] {
  const reader = answer.read();
  reader.number();
  if (answer.code === 5) return nextStates(reader, (key) => mine.find((one) => one.key === key)?.budget);
  if (answer.code !== 0) return [];
  return mine.map(({ budget, end_ms }) => {
    const [spent, held] = [reader.number(), reader.number()];
    const resets_at_ms = budget.window === 'rolling' ? reader.number() : end_ms;
    return { budget, limit: budget.limit, spent, held, resets_at_ms };
  });
}

function nextStates(reader: Reader, known: (key: string) => Budget | undefined): BudgetState[] {
  const budgets: BudgetState[] = [];
  for (let left = reader.number(); left > 0; left--) budgets.push(nextState(reader, reader.word(), known));
  return budgets;
}

function nextState(reader: Reader, key: string, known: (key: string) => Budget | undefined): BudgetState {
  const [spent, held, limit, hard, empty_ms] = [
    reader.number(),
    reader.number(),
    reader.number(),
    reader.number() === 1,
    reader.number(),
  ];
  const told = budgetOfKey(key);
  if (told === undefined) throw new Error(`'${key}' is no key of a budget`);
  const budget = known(key) ?? { ...told.budget, limit, hard, warnPercent: [] };
  return { budget, limit, spent, held, resets_at_ms: budget.window === 'rolling' ? empty_ms : told.end_ms };
}

function pick<T>(list: readonly T[], place: number | undefined): T {
  const one = list[place ?? -1];
  if (one === undefined) throw new Error('Redis answered with fewer numbers than limits were asked');
  return one;
}
