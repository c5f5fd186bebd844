import type { Budget, BudgetState, Rate, RateState, Refusal, Reserved } from '../ledger.ts';
import { rateOfKey } from '../rate-key.ts';
import { budgetOfKey } from '../window-key.ts';
import type { Plan } from './plan.ts';

/** Numbers, large ones as text, and keys. */
export type Answer = readonly (string | number)[];

/** Which of its answers a script gave. */
export function codeOf(answer: Answer): number {
  return Number(answer[0]);
}

/** Numbers of a script's answer, one after the other. */
class Reader {
  readonly #answer: Answer;
  #at: number;

  constructor(answer: Answer, at: number) {
    this.#answer = answer;
    this.#at = at;
  }

  get more(): boolean {
    return this.#at < this.#answer.length;
  }

  number(): number {
    return Number(this.#answer[this.#at++]);
  }

  word(): string {
    return String(this.#answer[this.#at++]);
  }
}

/** What `reserve` and `read` answer, for every limit asked about. */
export function standing(answer: Answer, plan: Plan, budgets: readonly Budget[], rates: readonly Rate[]) {
  const reader = new Reader(answer, 2);
  const sums = plan.budgets.map(({ end_ms }) => ({
    spent: reader.number(),
    held: reader.number(),
    limit: reader.number(),
    resets_at_ms: end_ms,
  }));
  const uses = plan.rates.map(() => ({ used: reader.number(), reset_ms: reader.number() }));
  return {
    budgets: budgets.map((budget, at): BudgetState => ({ budget, ...pick(sums, plan.budgetPlaces[at]) })),
    rates: rates.map((rate, at): RateState => {
      const { used, reset_ms } = pick(uses, plan.ratePlaces[at]);
      return { rate, used, remaining: Math.max(0, rate.limit - used), reset_ms };
    }),
  };
}

/** The refusal of code 1 or 2. A limit that was not named in the call is told by its key. */
export function refusal(answer: Answer, plan: Plan, known: (key: string) => Budget | undefined): Refusal {
  const reader = new Reader(answer, 0);
  const [code, , name, asked] = [reader.number(), reader.number(), reader.word(), reader.number()];
  const place = /^\d+$/.test(name) ? Number(name) : -1;
  if (code === 1) {
    const [spent, held, limit] = [reader.number(), reader.number(), reader.number()];
    const planned = plan.budgets[place];
    if (planned !== undefined) {
      const { budget, end_ms } = planned;
      return { kind: 'budget', asked, budget, limit, spent, held, resets_at_ms: end_ms };
    }
    return { kind: 'budget', asked, ...stateOf(name, spent, held, limit, reader.number() === 1, known) };
  }
  const [retry_after_ms, used, reset_ms] = [reader.number(), reader.number(), reader.number()];
  const rate = plan.rates[place]?.rate ?? rateOfKey(name, reader.number());
  return { kind: 'rate', asked, retry_after_ms, rate, used, remaining: Math.max(0, rate.limit - used), reset_ms };
}

/** What `amend` answers: every limit the hold has, told by its key. */
export function amended(answer: Answer, known: (key: string) => Budget | undefined): Reserved {
  const reader = new Reader(answer, 2);
  const budgets: BudgetState[] = [];
  for (let left = reader.number(); left > 0; left--) budgets.push(nextState(reader, known));
  const rates: RateState[] = [];
  while (reader.more) {
    const [key, used, reset_ms, limit] = [reader.word(), reader.number(), reader.number(), reader.number()];
    rates.push({ rate: rateOfKey(key, limit), used, remaining: Math.max(0, limit - used), reset_ms });
  }
  return { outcome: 'held', budgets, rates };
}

/** What `settle` answers; `brief` where the script was told that we know the limits ourselves. */
export function settled(answer: Answer, known: (key: string) => Budget | undefined, brief: boolean): BudgetState[] {
  const reader = new Reader(answer, 2);
  const budgets: BudgetState[] = [];
  while (reader.more) {
    if (brief) budgets.push(stateOf(reader.word(), reader.number(), reader.number(), undefined, false, known));
    else budgets.push(nextState(reader, known));
  }
  return budgets;
}

function nextState(reader: Reader, known: (key: string) => Budget | undefined): BudgetState {
  const [key, spent, held] = [reader.word(), reader.number(), reader.number()];
  return stateOf(key, spent, held, reader.number(), reader.number() === 1, known);
}

function stateOf(
  key: string,
  spent: number,
  held: number,
  limit: number | undefined,
  hard: boolean,
  known: (key: string) => Budget | undefined,
): BudgetState {
  const told = budgetOfKey(key);
  if (told === undefined) throw new Error(`'${key}' is no key of a budget`);
  const budget = known(key) ?? { ...told.budget, limit: limit ?? 0, hard, warnPercent: [] };
  return { budget, limit: limit ?? budget.limit, spent, held, resets_at_ms: told.end_ms };
}

function pick<T>(list: readonly T[], place: number | undefined): T {
  const one = list[place ?? -1];
  if (one === undefined) throw new Error('Redis answered with fewer numbers than limits were asked');
  return one;
}
