import { rebuild } from './history.ts';
import type { Journal } from './journal.ts';
import type { Organization } from './organization.ts';
import type { Scribe } from './records.ts';
import type { Counter } from './state.ts';
import { advance, amountIn, count, counts, type Tally, tally } from './tally.ts';

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
  const differences: { key: string; counted: number; rebuilt: number }[] = [];
  for (const { counter, before } of sums) {
    const { key } = counter;
    const spent = rebuilt.get(key) ?? tally(key, counter.unit);
    advance(spent, time_ms);
    const real = { ...sumsOf(spent), held: holding.get(counter) ?? 0 };
    if (before.spent !== real.spent) differences.push({ key, counted: before.spent, rebuilt: real.spent });
    if (before.held !== real.held) {
      differences.push({ key: `${key}#held`, counted: before.held, rebuilt: real.held });
    }
    const off = names.some((name) => before[name] !== real[name]);
    if (!repair || !off || counter.dropped) continue;
    // What happened meanwhile stays: only the difference is put right.
    counter.held += real.held - before.held;
    for (const { at_ms, ...now } of real.parts) {
      if (!counts(counter, at_ms)) continue;
      const was = before.parts.find((one) => one.at_ms === at_ms);
      const [s, t, r] = [was?.spent ?? 0, was?.tokens ?? 0, was?.requests ?? 0];
      count(counter, now.spent - s, now.tokens - t, now.requests - r, at_ms);
    }
    scribe.sums(org, counter);
  }
  return journal.commit(differences);
}

/** The sums as they are now; of a rolling window each slot's, else one part for all. */
function sumsOf({ spent, requests, tokens, rolling, held = 0 }: Tally & { readonly held?: number }) {
  if (rolling === undefined) return { spent, held, requests, tokens, parts: [{ spent, requests, tokens, at_ms: 0 }] };
  const parts = Array.from({ length: rolling.count }, (_, age) => {
    const slot = rolling.head - age;
    const place = ((slot % rolling.count) + rolling.count) % rolling.count;
    return {
      at_ms: slot * rolling.slot_ms,
      spent: rolling.spent[place] ?? 0,
      requests: rolling.requests[place] ?? 0,
      tokens: rolling.tokens[place] ?? 0,
    };
  });
  return { spent, held, requests, tokens, parts };
}
