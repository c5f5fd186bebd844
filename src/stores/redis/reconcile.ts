import { LedgerUnavailable } from '../ledger.ts';
import { advance, differences, follow, partsOf } from '../tally.ts';
import { budgetOfKey } from '../window-key.ts';
import type { Sum } from './answers.ts';
import { baseOf, plannedOf, shapeOf } from './plan.ts';
import { report_ms, type Source, steps, sums } from './reports.ts';
import { scripts } from './scripts.ts';

const tries_max = 5;

/** A counter that was put right, at a moment of the server's clock. */
export interface Repaired extends Sum {
  readonly now_ms: number;
}

/**
 * Rebuilds every counter from folded sums, entries and open holds of one moment, and says where it differs. `right` is told
 * each that was put right: who heard the wrong sum would tell it again to a Redis that loses its data.
 */
export async function reconcile(
  source: Source,
  organization: string,
  repair: boolean,
  right: (repaired: Repaired) => void = () => {},
) {
  for (let tries = 0; tries < tries_max; tries++) {
    const { newest, generation, time_ms, epoch, counters } = await sums(source, organization);
    const rebuilt = new Map(counters.map(({ key, folded }) => [key, folded]));
    if (newest !== '') {
      for await (const step of steps(source, organization, newest)) follow(step, (key) => rebuilt.get(key));
    }
    // Entries folded while they were read would be missing from both sides.
    if ((await sums(source, organization)).generation !== generation) continue;
    const found: { key: string; counted: number; rebuilt: number }[] = [];
    for (const { key, counted, held, leased, folded: real, heldByHolds, resets, repairs } of counters) {
      const holding = heldByHolds + leased;
      advance(counted, time_ms);
      advance(real, time_ms);
      if (counted.spent !== real.spent) found.push({ key, counted: counted.spent, rebuilt: real.spent });
      if (held !== holding) found.push({ key: `${key}#held`, counted: held, rebuilt: holding });
      const parts = differences(partsOf(counted), partsOf(real));
      const told = budgetOfKey(key);
      if (!repair || told === undefined || (parts.length === 0 && held === holding)) continue;
      const base = baseOf(source.prefix, organization);
      // What happened meanwhile stays: only the difference is put right, unless it is none any more.
      const more = parts.flatMap(({ at_ms, spent, requests, tokens }) => [at_ms, spent, requests, tokens]);
      const args = [base, key, ...shapeOf(told.budget), epoch, resets, repairs, holding - held, ...more];
      const answer = (await source.line.run(scripts.repair, [base + key], args, report_ms)) as readonly unknown[];
      const [done, now_ms = 0, spent = 0, limit = 0, hard] = answer.map(Number);
      if (done !== 1) continue;
      const budget = { ...told.budget, limit, hard: hard === 1, warnPercent: [] };
      right({ planned: plannedOf(key, budget), spent, now_ms });
    }
    return found;
  }
  throw new LedgerUnavailable('entries were folded faster than they could be read; try again');
}
