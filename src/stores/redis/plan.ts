import type { Budget, Rate } from '../ledger.ts';
import { rateKey, slotting } from '../rate-key.ts';
import { budgetOfKey, encoded, kept_ms, windowKey } from '../window-key.ts';

/** A counter a call touches, once, whatever the number of its limits. */
export interface Planned {
  readonly key: string;
  /** The strictest limit that refuses, else the lowest. */
  budget: Budget;
  /** When its window turns; 0 where it never does, or rolls. */
  readonly end_ms: number;
  /** When the counter may be forgotten; 0 never, or as long as its window rolls. */
  readonly expires_ms: number;
}

/** The counters of a call or of a hold, each once. */
export interface Limits {
  readonly budgets: readonly Planned[];
  readonly rates: readonly { readonly key: string; rate: Rate }[];
}

/** What a script is told of a call's limits, for the windows of one moment. */
export interface Plan extends Limits {
  /** For each limit asked about, its place among the unique ones. */
  readonly budgetPlaces: readonly number[];
  readonly ratePlaces: readonly number[];
  readonly from_ms: number;
  readonly to_ms: number;
  /** All of it as scripts read it and holds keep it. */
  readonly text: string;
  /** Where it stands among the texts of a turn, and of which: those of a turn are counted by it. */
  place: number;
  turn: number;
}

const letters = {
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

const latest = new WeakMap<readonly Budget[], WeakMap<readonly Rate[], Plan>>();

/** The plan of these limits at a moment; one that was made for the very same lists is used again while its windows last. */
export function planOf(budgets: readonly Budget[], rates: readonly Rate[], now_ms: number): Plan {
  let plans = latest.get(budgets);
  const known = plans?.get(rates);
  if (known !== undefined && now_ms >= known.from_ms && now_ms < known.to_ms) return known;
  const plan = newPlan(budgets, rates, now_ms);
  if (plans === undefined) {
    plans = new WeakMap();
    latest.set(budgets, plans);
  }
  plans.set(rates, plan);
  return plan;
}

function newPlan(budgets: readonly Budget[], rates: readonly Rate[], now_ms: number): Plan {
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
    return planned.push(plannedIn(key, budget, end_ms)) - 1;
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
  const text = planText(planned, limited, from_ms, to_ms);
  return { budgets: planned, rates: limited, budgetPlaces, ratePlaces, from_ms, to_ms, text, place: 0, turn: 0 };
}

function plannedIn(key: string, budget: Budget, end_ms: number): Planned {
  const expires_ms = budget.window === 'total' || end_ms === 0 ? 0 : end_ms + kept_ms[budget.window];
  return { key, budget, end_ms, expires_ms };
}

/** A counter that is known by its key. */
export function plannedOf(key: string, budget: Budget): Planned {
  return plannedIn(key, budget, budgetOfKey(key)?.end_ms ?? 0);
}

/** The plan of counters that are known already, whatever the moment. */
export function planOfKnown({ budgets, rates }: Limits): Plan {
  const [from_ms, to_ms] = [0, Number.MAX_SAFE_INTEGER];
  const text = planText(budgets, rates, from_ms, to_ms);
  return { budgets, rates, budgetPlaces: [], ratePlaces: [], from_ms, to_ms, text, place: 0, turn: 0 };
}

/** What `lua/holds.ts` calls a plan. */
function planText(
  budgets: readonly Planned[],
  rates: readonly { readonly key: string; readonly rate: Rate }[],
  from_ms: number,
  to_ms: number,
): string {
  return JSON.stringify([
    from_ms,
    to_ms,
    budgets.map(({ key, budget, expires_ms }) => {
      const { unit, hard, limit, rolling_ms } = budget;
      return [key, letters[unit], hard ? 1 : 0, limit, expires_ms, ...slotsOf(rolling_ms)];
    }),
    rates.map(({ key, rate: { unit, limit, window_ms } }) => {
      return [key, letters[unit], limit, ...slotsOf(unit === 'concurrent' ? undefined : window_ms)];
    }),
  ]);
}

/** What scripts are told of a counter outside a plan: its unit, slot_ms and slots. */
export function shapeOf({ unit, rolling_ms }: Pick<Budget, 'unit' | 'rolling_ms'>): [string, number, number] {
  return [letters[unit], ...slotsOf(rolling_ms)];
}

/** How a window that rolls or slides is cut: slot_ms and slots; zeros for one that does not. */
export function slotsOf(length_ms: number | undefined): [number, number] {
  if (length_ms === undefined) return [0, 0];
  const { slot_ms, count } = slotting(length_ms);
  return [slot_ms, count];
}
