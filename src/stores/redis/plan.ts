import type { Budget, Rate } from '../ledger.ts';
import { rateKey, slotting } from '../rate-key.ts';
import { encoded, kept_ms, windowKey } from '../window-key.ts';

/** A counter a call touches, once, whatever the number of its limits. */
export interface Planned {
  readonly key: string;
  /** The strictest limit that refuses, else the lowest. */
  budget: Budget;
  readonly end_ms: number;
  readonly expires_ms: number;
}

/** What a script is told of a call's limits, for the windows of one moment. */
export interface Plan {
  readonly budgets: readonly Planned[];
  readonly rates: readonly { readonly key: string; rate: Rate }[];
  /** For each limit asked about, its place among the unique ones. */
  readonly budgetPlaces: readonly number[];
  readonly ratePlaces: readonly number[];
  readonly from_ms: number;
  readonly to_ms: number;
}

export const letters = {
  nusd: 'n',
  tokens: 't',
  requests: 'r',
  concurrent: 'c',
  input_tokens: 'i',
  output_tokens: 'o',
} as const;

/** `llm:{acme}:`, what every key of an organisation starts with: the braces keep them in one slot. */
export function baseOf(prefix: string, organization: string): string {
  return `${prefix}{${encoded(organization)}}:`;
}

export function planOf(budgets: readonly Budget[], rates: readonly Rate[], now_ms: number): Plan {
  let from_ms = 0;
  let to_ms = Number.MAX_SAFE_INTEGER;
  const planned: Planned[] = [];
  const budgetPlaces = budgets.map((budget) => {
    const { key, start_ms, end_ms } = windowKey(budget, now_ms);
    const place = planned.findIndex((one) => one.key === key);
    const known = planned[place];
    if (known !== undefined) {
      const stricter = budget.hard === known.budget.hard ? budget.limit < known.budget.limit : budget.hard;
      if (stricter) known.budget = budget;
      return place;
    }
    if (start_ms > from_ms) from_ms = start_ms;
    if (end_ms !== 0 && end_ms < to_ms) to_ms = end_ms;
    const expires_ms = budget.window === 'total' ? 0 : end_ms + kept_ms[budget.window];
    return planned.push({ key, budget, end_ms, expires_ms }) - 1;
  });
  const limited: { key: string; rate: Rate }[] = [];
  const ratePlaces = rates.map((rate) => {
    const key = rateKey(rate);
    const place = limited.findIndex((one) => one.key === key);
    const known = limited[place];
    if (known === undefined) return limited.push({ key, rate }) - 1;
    if (rate.limit < known.rate.limit) known.rate = rate;
    return place;
  });
  return { budgets: planned, rates: limited, budgetPlaces, ratePlaces, from_ms, to_ms };
}

export function keysOf(plan: Plan, base: string, hold: string): string[] {
  const keys = [`${base}hold:${hold}`];
  for (const { key } of plan.budgets) keys.push(base + key);
  for (const { key } of plan.rates) keys.push(base + key);
  return keys;
}

export function argsOf(plan: Plan, base: string, not_after_ms: number): (string | number)[] {
  const { budgets, rates, from_ms, to_ms } = plan;
  let codes = '';
  let expiries = '';
  for (const { budget, expires_ms } of budgets) {
    codes += budget.hard ? letters[budget.unit].toUpperCase() : letters[budget.unit];
    expiries += `${expires_ms} `;
  }
  const args: (string | number)[] = [base, codes, rates.length, from_ms, to_ms, not_after_ms, expiries];
  for (const { budget } of budgets) args.push(budget.limit);
  for (const { rate } of rates) {
    const { slot_ms, count } = slotting(Math.max(1, rate.window_ms));
    args.push(letters[rate.unit], rate.limit, slot_ms, count);
  }
  return args;
}
