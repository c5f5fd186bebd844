import type { Budget, BudgetState, Rate, RateState, Refusal, Reserved } from '../ledger.ts';
import { rateOfKey } from '../rate-key.ts';
import { budgetOfKey } from '../window-key.ts';
import type { Plan, Planned } from './plan.ts';

/** What one operation was answered: a code and what it calls for (`lua/answers.ts`). Large numbers come as text. */
export interface Answer {
  readonly list: readonly (string | number)[];
  /** Whether limits stand in for configured ones: then states tell the limit in force. */
  readonly raised: boolean;
  /** The server's. */
  readonly now_ms: number;
  readonly plan: Plan;
}

/** Which of its answers a script gave. */
export function codeOf({ list }: Pick<Answer, 'list'>): number {
  return Number(list[0]);
}

/** Numbers of a script's answer, one after the other. */
class Reader {
  readonly #list: Answer['list'];
  #at: number;

  constructor({ list }: Pick<Answer, 'list'>, at: number) {
    this.#list = list;
    this.#at = at;
  }

  get more(): boolean {
    return this.#at < this.#list.length;
  }

  number(): number {
    return Number(this.#list[this.#at++]);
  }

  word(): string {
    return String(this.#list[this.#at++]);
  }
}

/** What is spent of each of the plan's counters, as `standing` would tell it. */
export function spentOf(answer: Answer): number[] {
  const reader = new Reader(answer, 1);
  return answer.plan.budgets.map(({ budget }) => {
    const spent = reader.number();
    reader.number();
    if (answer.raised) reader.number();
    if (budget.window === 'rolling') reader.number();
    return spent;
  });
}

/** What `reserve` and `read` answer, for every limit asked about. */
export function standing(answer: Answer, budgets: readonly Budget[], rates: readonly Rate[]) {
  const { plan, raised } = answer;
  const reader = new Reader(answer, 1);
  const sums = plan.budgets.map(({ budget, end_ms }) => {
    const [spent, held] = [reader.number(), reader.number()];
    const limit = raised ? reader.number() : budget.limit;
    return {
      spent,
      held,
      raised: limit === budget.limit ? undefined : limit,
      resets_at_ms: budget.window === 'rolling' ? reader.number() : end_ms,
    };
  });
  const uses = plan.rates.map(() => ({ used: reader.number(), reset_ms: reader.number() }));
  return {
    budgets: budgets.map((budget, at): BudgetState => {
      const { spent, held, resets_at_ms, raised: limit = budget.limit } = pick(sums, plan.budgetPlaces[at]);
      return { budget, limit, spent, held, resets_at_ms };
    }),
    rates: rates.map((rate, at): RateState => {
      const { used, reset_ms } = pick(uses, plan.ratePlaces[at]);
      return { rate, used, remaining: Math.max(0, rate.limit - used), reset_ms };
    }),
  };
}

/** The refusal of code 1 or 2. A limit that was not named in the call is told by its key. */
export function refusal(answer: Answer, known: (key: string) => Budget | undefined): Refusal {
  const { plan } = answer;
  const reader = new Reader(answer, 0);
  const [code, name, asked] = [reader.number(), reader.word(), reader.number()];
  const place = /^\d+$/.test(name) ? Number(name) : -1;
  if (code === 1) {
    const planned = plan.budgets[place];
    const state = nextState(reader, planned?.key ?? name, (key) => planned?.budget ?? known(key));
    return { kind: 'budget', asked, ...state };
  }
  const [retry_after_ms, used, reset_ms, limit] = [reader.number(), reader.number(), reader.number(), reader.number()];
  const rate = plan.rates[place]?.rate ?? rateOfKey(name, limit);
  return { kind: 'rate', asked, retry_after_ms, rate, used, remaining: Math.max(0, rate.limit - used), reset_ms };
}

/** What `amend` answers: every limit the hold has, told by its key. */
export function amended(answer: Answer, known: (key: string) => Budget | undefined): Reserved {
  const reader = new Reader(answer, 1);
  const budgets = nextStates(reader, known);
  const rates: RateState[] = [];
  while (reader.more) {
    const [key, used, reset_ms, limit] = [reader.word(), reader.number(), reader.number(), reader.number()];
    const rate = answer.plan.rates.find((one) => one.key === key)?.rate ?? rateOfKey(key, limit);
    rates.push({ rate, used, remaining: Math.max(0, limit - used), reset_ms });
  }
  return { outcome: 'held', budgets, rates };
}

/** What `settle` answers, of a hold whose counters these are as far as we know. */
export function settled(answer: Pick<Answer, 'list'>, mine: readonly Planned[]): BudgetState[] {
  const reader = new Reader(answer, 1);
  if (codeOf(answer) === 5) return nextStates(reader, (key) => mine.find((one) => one.key === key)?.budget);
  if (codeOf(answer) !== 0) return [];
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
