import { advance, amountIn, count, counts, differences, partsOf, type Tally, tally } from '../tally.ts';
import { rebuild } from './history.ts';
import type { Journal } from './journal.ts';
import type { Organization } from './organization.ts';
import type { Scribe } from './records.ts';
import type { Counter } from './state.ts';

const names = ['spent', 'held', 'requests', 'tokens'] as const;

/** Rebuilds every counter from the kept history and the open holds of one moment, and says where it differs. */
export async function reconcile(
  { journal, scribe, directory }: { readonly journal: Journal; readonly scribe: Scribe; readonly directory: string },
  org: Organization,
  repair: boolean,
) {
  // Sums, holds and the journal's length are of one moment: nothing is awaited between them.
  const position = journal.position();
  const { time_ms } = org;
  const sums = [...org.counters.values()].map((counter) => {
    advance(counter, time_ms);
    return { counter, before: sumsOf(counter) };
  });
  const holding = new Map<Counter, number>();
  for (const hold of org.holds.values()) {
    if (hold.provisional) continue;
    for (const one of hold.counters) holding.set(one, (holding.get(one) ?? 0) + amountIn(one.unit, hold));
  }
  const rebuilt = await rebuild(directory, position, org.id, time_ms);
  const found: { key: string; counted: number; rebuilt: number }[] = [];
  for (const { counter, before } of sums) {
    const { key } = counter;
    const spent = rebuilt.get(key) ?? tally(key, counter.unit);
    advance(spent, time_ms);
    const real = { ...sumsOf(spent), held: holding.get(counter) ?? 0 };
    if (before.spent !== real.spent) found.push({ key, counted: before.spent, rebuilt: real.spent });
    if (before.held !== real.held) {
      found.push({ key: `${key}#held`, counted: before.held, rebuilt: real.held });
    }
    const off = names.some((name) => before[name] !== real[name]);
    if (!repair || !off || counter.dropped) continue;
    // What happened meanwhile stays: only the difference is put right.
    counter.held += real.held - before.held;
    for (const { at_ms, spent: more, tokens, requests } of differences(before.parts, real.parts)) {
      if (counts(counter, at_ms)) count(counter, more, tokens, requests, at_ms);
    }
    scribe.sums(org, counter);
  }
  return journal.commit(found);
}

function sumsOf(counter: Tally & { readonly held?: number }) {
  const { spent, requests, tokens, held = 0 } = counter;
  return { spent, held, requests, tokens, parts: partsOf(counter) };
}
