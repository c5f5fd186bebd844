import type { Budget, BudgetState, Rate, RateState, Reserved } from '../ledger.ts';
import { amountOf } from '../rate-key.ts';
import type { Need } from './admission.ts';
import { Books, budgetState, rateState } from './books.ts';
import { Desk } from './desk.ts';
import { firstNumber, type Office } from './office.ts';
import type { LocalHold } from './slices.ts';

/** One organisation's books, and the desk that trades for them. */
export interface Account {
  readonly books: Books;
  readonly desk: Desk;
}

/** An organisation's first account. It is named before anything is taken: after a crash its slices are looked for. */
export function openAccount(office: Office, organization: string): Account {
  const books = new Books(organization);
  books.items = firstNumber(0);
  office.notes.organization(books);
  return { books, desk: new Desk(office, books) };
}

/** Figures this young are told without asking. */
const fresh_ms = 100;

/** Figures of these limits, asked for anew where they are not fresh. */
export async function standing(
  office: Office,
  { books, desk }: Account,
  budgets: readonly Budget[],
  rates: readonly Rate[],
) {
  for (let tries = 0; tries < 2; tries++) {
    const old = office.clock() - (office.ahead_ms === 0 ? -1 : fresh_ms);
    const slices = budgets.map((budget) => books.slice(budget, office.now()));
    const speeds = rates.map((rate) => books.rate(rate));
    if (slices.every(({ told_ms }) => told_ms >= old) && speeds.every(({ told_ms }) => told_ms >= old)) break;
    await desk.look(slices, speeds);
    const now = budgets.map((budget) => books.slice(budget, office.now()));
    if (slices.every((slice, at) => slice === now[at])) break;
  }
  return held(office, books, budgets, rates);
}

/** The answer to a hold: every limit as it is known to stand. */
export function held(office: Office, books: Books, budgets: readonly Budget[], rates: readonly Rate[]) {
  const [now_ms, clock_ms] = [office.now(), office.clock()];
  return {
    outcome: 'held' as const,
    budgets: budgets.map((budget): BudgetState => budgetState(budget, books.slice(budget, now_ms))),
    rates: rates.map((rate): RateState => rateState(rate, books.rate(rate), clock_ms)),
  } satisfies Reserved;
}

/** The answer to more of a hold: every limit it has. */
export function heldBy(office: Office, needs: readonly Need[]) {
  const now_ms = office.clock();
  return {
    outcome: 'held' as const,
    budgets: needs.flatMap((need) => (need.of === 'budget' ? [budgetState(need.budget, need.slice)] : [])),
    rates: needs.flatMap((need) => (need.of === 'budget' ? [] : [rateState(need.rate, need.slice, now_ms)])),
  } satisfies Reserved;
}

/** Every budget of a hold as it is known to stand. */
export function budgetsOf(hold: LocalHold): readonly BudgetState[] {
  return hold.slices.map((slice) => budgetState(slice.budget, slice));
}

/** Holds of calls under way. */
export function openHolds(books: Books | undefined) {
  const open = [...(books?.holds.values() ?? [])].filter(({ provisional }) => !provisional);
  return open.map(({ id, nusd, tokens, input, owner, expires_ms }) => ({
    id,
    amount: amountOf(nusd, tokens, input),
    owner,
    expires_at_ms: expires_ms,
  }));
}
