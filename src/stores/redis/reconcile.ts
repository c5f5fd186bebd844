import { LedgerUnavailable } from '../ledger.ts';
import { budgetOfKey } from '../window-key.ts';
import { baseOf, letters } from './plan.ts';
import { report_ms, type Source, type Sums, steps, sums } from './reports.ts';
import { scripts } from './scripts.ts';

const tries_max = 5;
const names = ['spent', 'held', 'requests', 'tokens'] as const;

/** Rebuilds every counter from folded sums, entries and open holds of one moment, and says where it differs. */
export async function reconcile(source: Source, organization: string, repair: boolean) {
  for (let tries = 0; tries < tries_max; tries++) {
    const { newest, generation, counters } = await sums(source, organization);
    const rebuilt = new Map<string, Sums>();
    for (const { key, folded, heldByHolds } of counters) rebuilt.set(key, { ...folded, held: heldByHolds });
    if (newest !== '') {
      for await (const { entry, prior, requests } of steps(source, organization, newest)) {
        for (const { key, unit, amount } of entry.budgets) {
          const sum = rebuilt.get(key);
          if (sum === undefined) continue;
          if (entry.reset) Object.assign(sum, { spent: 0, tokens: 0, requests: 0 });
          if (entry.reset) continue;
          sum.spent += unit === 'requests' ? requests : amount - (prior?.[unit] ?? 0);
          sum.tokens += entry.amount.tokens - (prior?.tokens ?? 0);
          sum.requests += requests;
        }
      }
    }
    // Entries folded while they were read would be missing from both sides.
    if ((await sums(source, organization)).generation !== generation) continue;
    const differences: { key: string; counted: number; rebuilt: number }[] = [];
    for (const { key, counted } of counters) {
      const real = rebuilt.get(key) ?? counted;
      if (counted.spent !== real.spent) differences.push({ key, counted: counted.spent, rebuilt: real.spent });
      if (counted.held !== real.held) {
        differences.push({ key: `${key}#held`, counted: counted.held, rebuilt: real.held });
      }
      if (!repair || names.every((name) => counted[name] === real[name])) continue;
      const base = baseOf(source.prefix, organization);
      const unit = letters[budgetOfKey(key)?.budget.unit ?? 'nusd'];
      // What happened meanwhile stays: only the difference is put right.
      const deltas = names.map((name) => real[name] - counted[name]);
      await source.line.run(scripts.repair, [base + key], [base, unit, ...deltas], report_ms);
    }
    return differences;
  }
  throw new LedgerUnavailable('entries were folded faster than they could be read; try again');
}
