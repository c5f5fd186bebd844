import type { CallerBudget, CallerRate, Limits } from '../callers/index.ts';
import type { Candidate } from '../providers/index.ts';
import type { Budget, Rate } from '../stores/index.ts';
import type { Identified } from './identify.ts';
import { usageBudgets, usageSeats } from './money-facts.ts';

/** Every limit one call touches. */
export interface CallLimits {
  readonly budgets: readonly (Budget & Partial<CallerBudget>)[];
  readonly rates: readonly CallerRate[];
}

/** Names that limits of models know a candidate by: its own, and the provider's before it. */
export function namesOf(candidate: Candidate): readonly string[] {
  let names = known.get(candidate);
  if (names === undefined) {
    const { model, provider } = candidate;
    names = [model, `${provider.id}/${model}`];
    known.set(candidate, names);
  }
  return names;
}

/** A candidate lives as long as its configuration. */
const known = new WeakMap<Candidate, readonly string[]>();

/** What joins the caller's limits for the model that is to answer. */
export function modelLimits({ identity }: Identified, candidate: Candidate): Limits {
  return identity.modelLimits(namesOf(candidate));
}

/**
 * The caller's limits, the model's (by the names given), what rules limit (`throttles`), and counters for the figures that
 * policies read (`wanted`).
 * Counters come last: of two that share one, the limit governs.
 */
export function callLimits(
  identified: Identified,
  names: readonly string[],
  wanted: ReadonlySet<string>,
  throttles: readonly CallerRate[] = [],
): CallLimits {
  const { identity } = identified;
  const model = identity.modelLimits(names);
  const counters = usageBudgets(identified, wanted, names[0]);
  const seats = usageSeats(identified, wanted, names[0]);
  const joining = model.budgets.length + model.rates.length + counters.length + seats.length + throttles.length;
  if (joining === 0) return identity;
  const rates =
    model.rates.length + throttles.length === 0 ? identity.rates : [...identity.rates, ...model.rates, ...throttles];
  return {
    budgets: [...identity.budgets, ...model.budgets, ...counters],
    rates: seats.length === 0 ? rates : withSeats(rates, seats),
  };
}

/** Where a limit takes the same seats, they are counted already. */
function withSeats(rates: readonly CallerRate[], seats: readonly Rate[]): readonly CallerRate[] {
  const taken = new Set(rates.filter(({ unit }) => unit === 'concurrent').map(rateName));
  return [...rates, ...seats.filter((one) => !taken.has(rateName(one)))];
}

/** A budget's counter without its window's date: what tells budgets apart. */
export function budgetName({
  scope,
  window,
  timeZone = 'UTC',
  rolling_ms = 0,
  unit,
}: Omit<Budget, 'limit' | 'hard' | 'warnPercent'>): string {
  return `budget ${scope.kind} ${scope.id} ${window} ${rolling_ms} ${timeZone} ${unit}`;
}

/** What tells rates apart. */
export function rateName({ scope, unit, window_ms, rule = '' }: Omit<Rate, 'limit'>): string {
  return `rate ${scope.kind} ${scope.id} ${unit} ${window_ms} ${rule}`;
}

/** The caller's own word on a budget the ledger names: a store may tell it by its key alone. */
export function ownBudget(limits: CallLimits, named: Budget): CallLimits['budgets'][number] | undefined {
  if (limits.budgets.includes(named)) return named;
  const name = budgetName(named);
  return limits.budgets.find((budget) => budgetName(budget) === name);
}

/** The same of a rate. */
export function ownRate(limits: CallLimits, named: Rate): CallerRate | undefined {
  if (limits.rates.includes(named)) return named;
  const name = rateName(named);
  return limits.rates.find((rate) => rateName(rate) === name);
}
