import { type Need, needsOf, type Wanting } from '../leased/admission.ts';
import type { Books } from '../leased/books.ts';
import type { Budget, OnLoss, Rate } from '../ledger.ts';

export interface Limits {
  readonly budgets: readonly Budget[];
  readonly rates: readonly Rate[];
}

/** Those of a call's limits that hold something while the ledger is lost. What only counts is counted; `open` holds nothing. */
export function sharedLimits({ budgets, rates }: Limits, fallback: OnLoss): Limits {
  const shared = ({ onLoss = fallback }: Budget | Rate): boolean => onLoss === 'local_share';
  return { budgets: budgets.filter((budget) => !budget.hard || shared(budget)), rates: rates.filter(shared) };
}

/** What a hold needs to be another one while the ledger is lost; undefined where one of its limits admits no share. */
export function sharedNeeds(books: Books, wanting: Wanting, fallback: OnLoss, now_ms: number): Need[] | undefined {
  const closed = ({ onLoss = fallback }: Budget | Rate): boolean => onLoss === 'closed';
  if (wanting.budgets.some((budget) => budget.hard && closed(budget)) || wanting.rates.some(closed)) return undefined;
  const needs = needsOf(books, { ...wanting, ...sharedLimits(wanting, fallback) }, now_ms);
  const held: Limits = {
    budgets: needs.flatMap((need) => (need.of === 'budget' ? [need.budget] : [])),
    rates: needs.flatMap((need) => (need.of === 'budget' ? [] : [need.rate])),
  };
  const shared = sharedLimits(held, fallback);
  return shared.budgets.length + shared.rates.length === needs.length ? needs : undefined;
}
