import { Unable } from '../policy/index.ts';
import type { Candidate } from '../providers/index.ts';
import type { Budget, BudgetState, Rate, RateState } from '../stores/index.ts';
import { usedPercent } from './budget-alerts.ts';
import { wants } from './facts.ts';
import type { Identified } from './identify.ts';
import { scopeId } from './scopes.ts';
import type { Walk } from './walk.ts';

const nanoPerUsd = 1e9;
const none: readonly never[] = Object.freeze([]);
/** A counter that only counts: a limit nobody reaches (2^53 - 1, the largest exact integer). */
const unlimited = Number.MAX_SAFE_INTEGER;

/** `budget.<scope>.*` of the tightest money budget of each scope, where the program reads any. */
export async function budgetFacts(
  walk: Walk,
  { identity }: Identified,
  wanted: ReadonlySet<string>,
): Promise<Record<string, unknown> | Unable | undefined> {
  if (!anyStartsWith(wanted, 'budget.')) return undefined;
  const budgets = identity.budgets.filter((budget) => budget.unit === 'nusd');
  try {
    const { budgets: states } = await walk.ledger.read(identity.caller.organization.id, budgets, []);
    return tightestOf(states);
  } catch {
    return new Unable('the ledger did not answer');
  }
}

function tightestOf(states: readonly BudgetState[]): Record<string, unknown> {
  const tightest: Record<string, unknown> = {};
  const least: Record<string, number> = {};
  for (const state of states) {
    const kind = state.budget.scope.kind;
    const remaining = state.limit - state.spent - state.held;
    if (remaining >= (least[kind] ?? Number.POSITIVE_INFINITY)) continue;
    least[kind] = remaining;
    tightest[kind] = budgetFact(state, remaining);
  }
  return tightest;
}

function budgetFact(state: BudgetState, remaining: number): Record<string, unknown> {
  const { limit } = state;
  return {
    limit_usd: limit / nanoPerUsd,
    spent_usd: state.spent / nanoPerUsd,
    held_usd: state.held / nanoPerUsd,
    remaining_usd: remaining / nanoPerUsd,
    used_percent: usedPercent(state),
    resetsAt: state.resets_at_ms === 0 ? undefined : new Date(state.resets_at_ms).toISOString(),
  };
}

/**
 * Counters a program's `usage.*` facts read: they must be counted at `admit` in order to be there. Those of the scope
 * `model` are of the one named.
 */
export function usageBudgets(identified: Identified, wanted: ReadonlySet<string>, model?: string): readonly Budget[] {
  const { counted } = wants(wanted);
  if (counted.length === 0) return none;
  const budgets: Budget[] = [];
  for (const { kind, unit, window } of counted) {
    const id = kind === 'model' ? model : scopeId(identified.identity.caller, kind);
    if (id !== undefined)
      budgets.push({ scope: { kind, id }, window, unit, limit: unlimited, hard: false, warnPercent: [] });
  }
  return budgets;
}

/**
 * Seats that a program's `usage.<scope>.concurrent` reads: a call takes one until it is settled, and nobody is refused.
 * Those of the scope `model` are of the one named.
 */
export function usageSeats(identified: Identified, wanted: ReadonlySet<string>, model?: string): readonly Rate[] {
  const { seats: kinds } = wants(wanted);
  if (kinds.length === 0) return none;
  const seats: Rate[] = [];
  for (const kind of kinds) {
    const id = kind === 'model' ? model : scopeId(identified.identity.caller, kind);
    if (id !== undefined) seats.push({ scope: { kind, id }, unit: 'concurrent', limit: unlimited, window_ms: 0 });
  }
  return seats;
}

/** `usage.<scope>.concurrent` and `usage.<scope>.{requests,tokens}_per_{minute,hour,day}`, where the program reads any. */
export async function usageFacts(
  walk: Walk,
  identified: Identified,
  wanted: ReadonlySet<string>,
): Promise<Record<string, unknown> | Unable | undefined> {
  const budgets = usageBudgets(identified, wanted);
  const seats = usageSeats(identified, wanted);
  if (budgets.length + seats.length === 0) return undefined;
  try {
    const { organization } = identified.identity.caller;
    const states = await walk.ledger.read(organization.id, budgets, seats);
    return countedOf(states.budgets, states.rates);
  } catch {
    return new Unable('the ledger did not answer');
  }
}

function countedOf(
  states: readonly BudgetState[],
  seats: readonly RateState[],
): Record<string, Record<string, number>> {
  const usage: Record<string, Record<string, number>> = {};
  for (const { budget, spent, held } of states) {
    const scope = usage[budget.scope.kind] ?? {};
    usage[budget.scope.kind] = scope;
    scope[`${budget.unit}_per_${budget.window}`] = spent + held;
  }
  for (const { rate, used } of seats) usage[rate.scope.kind] = { ...usage[rate.scope.kind], concurrent: used };
  return usage;
}

/** What `budget.model` and `usage.model` are for one candidate. */
export interface MoneyOfModel {
  readonly budget: unknown;
  readonly usage: unknown;
}

/** Figures of models, by `provider/model`: of each candidate, so that every one can be judged by its own. */
export type MoneyOfModels = ReadonlyMap<string, MoneyOfModel>;

/** The money facts of the scope `model` for these candidates, where the program reads any. */
export async function moneyOfModels(
  walk: Walk,
  identified: Identified,
  candidates: readonly Candidate[],
  wanted: ReadonlySet<string>,
): Promise<MoneyOfModels | undefined> {
  if (!anyStartsWith(wanted, 'budget.model.') && !anyStartsWith(wanted, 'usage.model.')) return undefined;
  const { identity } = identified;
  const figures = new Map<string, MoneyOfModel>();
  for (const { provider, model } of candidates) {
    const name = `${provider.id}/${model}`;
    const limits = identity.modelLimits([model, name]).budgets.filter(({ unit }) => unit === 'nusd');
    const counters = usageBudgets(identified, wanted, model).filter(({ scope }) => scope.kind === 'model');
    const seats = usageSeats(identified, wanted, model).filter(({ scope }) => scope.kind === 'model');
    figures.set(name, await moneyOf(walk, identity.caller.organization.id, limits, counters, seats));
  }
  return figures;
}

async function moneyOf(
  walk: Walk,
  organization: string,
  limits: readonly Budget[],
  counters: readonly Budget[],
  seats: readonly Rate[],
): Promise<MoneyOfModel> {
  try {
    const { budgets } = await walk.ledger.read(organization, limits, []);
    const { budgets: counted, rates } = await walk.ledger.read(organization, counters, seats);
    return { budget: tightestOf(budgets).model, usage: countedOf(counted, rates).model };
  } catch {
    const unable = new Unable('the ledger did not answer');
    return { budget: unable, usage: unable };
  }
}

function anyStartsWith(names: ReadonlySet<string>, prefix: string): boolean {
  for (const name of names) if (name.startsWith(prefix)) return true;
  return false;
}
