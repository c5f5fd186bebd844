import type { Amount } from '../ledger.ts';
import { LiveMap } from '../live-map.ts';
import { amountOf } from '../rate-key.ts';
import { budgetOfKey } from '../window-key.ts';
import type { Answer, Sum } from './answers.ts';
import type { Operation } from './asked.ts';
import { type Plan, type Planned, plannedOf, planOfKnown } from './plan.ts';

/** A hold that its owner abandoned, and that was settled at the estimate. */
export interface Abandoned {
  readonly id: string;
  readonly amount: Amount;
  readonly owner: string;
  readonly nonce: string;
  readonly labels: string;
  readonly budgets: readonly Planned[];
}

type Row = readonly [string, string, string, string, string, string, string, readonly string[]];
type SumRow = readonly [string, string, string, boolean];
type PlanText = readonly [number, number, readonly (readonly [string, string, number, number])[]];

/** What the answer to reaping tells: the holds that were settled, and what their counters have now. */
export function abandonedIn(answer: Answer): { readonly settled: Abandoned[]; readonly sums: Sum[] } {
  const reader = answer.read();
  reader.number();
  if (!reader.more) return { settled: [], sums: [] };
  const [rows, sums] = JSON.parse(reader.rest()) as readonly [readonly Row[], readonly SumRow[]];
  return {
    settled: rows.map(([id, nusd, tokens, input, owner, nonce, labels, plans]) => {
      const amount = amountOf(Number(nusd), Number(tokens), Number(input));
      return { id, amount, owner, nonce, labels, budgets: budgetsOf(plans) };
    }),
    sums: (Array.isArray(sums) ? sums : []).flatMap(([key, spent, limit, hard]) => {
      const planned = known(key, Number(limit), hard);
      return planned === undefined ? [] : [{ planned, spent: Number(spent) }];
    }),
  };
}

function known(key: string, limit: number, hard: boolean): Planned | undefined {
  const told = budgetOfKey(key);
  return told && plannedOf(key, { ...told.budget, limit, hard, warnPercent: [] });
}

/** Every counter of the plans once. */
function budgetsOf(plans: readonly string[]): Planned[] {
  const all = new Map<string, Planned>();
  for (const text of plans) {
    for (const [key, , hard, limit] of (JSON.parse(text) as PlanText)[2]) {
      const planned = known(key, limit, hard === 1);
      if (planned !== undefined) all.set(key, planned);
    }
  }
  return [...all.values()];
}

/** Settles it at the estimate again where Redis has lost that. */
export function abandoning({ id, amount, owner, nonce, labels, budgets }: Abandoned): {
  readonly operation: Operation;
  readonly plan: Plan;
} {
  const { nusd, tokens, input = 0 } = amount;
  // What was used of rates nobody tells.
  const plan = planOfKnown({ budgets, rates: [] });
  return { operation: [9, id, 0, nusd, tokens, input, owner, nonce, labels], plan };
}

const abandoned_max = 10_000;
/** How late an owner that lives may come, so that what its call cost takes the estimate's place. */
const abandoned_ms = 3_600_000;

/** Estimates that this process has settled for others: bounded, the oldest go first. */
export class AbandonedLately {
  readonly #all = new Map<string, LiveMap<Abandoned & { readonly at_ms: number }>>();
  #size = 0;

  put(organization: string, one: Abandoned, at_ms = Date.now()): void {
    let own = this.#all.get(organization);
    if (own === undefined) {
      own = new LiveMap();
      this.#all.set(organization, own);
    }
    this.delete(organization, one.id);
    own.set(one.id, { ...one, at_ms });
    this.#size += 1;
    if (this.#size > abandoned_max) this.delete(organization, own.oldest()?.id ?? one.id);
  }

  /** What became of it is known. */
  delete(organization: string, id: string): void {
    if (this.#all.get(organization)?.delete(id) === true) this.#size -= 1;
  }

  of(organization: string, now_ms = Date.now()): Abandoned[] {
    const own = this.#all.get(organization)?.values() ?? [];
    for (const { id, at_ms } of own) if (now_ms - at_ms >= abandoned_ms) this.delete(organization, id);
    return own.filter(({ at_ms }) => now_ms - at_ms < abandoned_ms);
  }
}
