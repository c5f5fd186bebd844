import { rebuild } from './history.ts';
import type { Journal } from './journal.ts';
import type { Organization } from './organization.ts';
import type { Scribe } from './records.ts';
import { amountIn, type Counter } from './state.ts';

const names = ['spent', 'held', 'requests', 'tokens'] as const;

/** Rebuilds every counter from the kept history and the open holds of one moment, and says where it differs. */
export async function reconcile(
  { journal, scribe, directory }: { readonly journal: Journal; readonly scribe: Scribe; readonly directory: string },
  org: Organization,
  repair: boolean,
) {
  // Sums, holds and the journal's length are of one moment: nothing is awaited between them.
  const position = journal.position();
  const sums = [...org.counters.values()].map((counter) => ({ counter, before: sumsOf(counter) }));
  const holding = new Map<Counter, number>();
  for (const hold of org.holds.values()) {
    if (hold.provisional) continue;
    for (const one of hold.counters) holding.set(one, (holding.get(one) ?? 0) + amountIn(one.unit, hold));
  }
  const rebuilt = await rebuild(directory, position, org.id);
  const differences: { key: string; counted: number; rebuilt: number }[] = [];
  for (const { counter, before } of sums) {
    const { key } = counter;
    const real = { ...(rebuilt.get(key) ?? { spent: 0, requests: 0, tokens: 0 }), held: holding.get(counter) ?? 0 };
    if (before.spent !== real.spent) differences.push({ key, counted: before.spent, rebuilt: real.spent });
    if (before.held !== real.held) {
      differences.push({ key: `${key}#held`, counted: before.held, rebuilt: real.held });
    }
    const off = names.some((name) => before[name] !== real[name]);
    if (!repair || !off || counter.dropped) continue;
    // What happened meanwhile stays: only the difference is put right.
    for (const name of names) counter[name] += real[name] - before[name];
    scribe.sums(org, counter);
  }
  return journal.commit(differences);
}

function sumsOf({ spent, held, requests, tokens }: Counter) {
  return { spent, held, requests, tokens };
}
