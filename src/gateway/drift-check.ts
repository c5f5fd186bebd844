import type { Ledger } from '../stores/index.ts';

/** Of the time at most this part is spent on looking for drift: 100,000 entries are looked at every few minutes. */
const duty = 0.005;

type Found = (organization: string, differences: Awaited<ReturnType<Ledger['reconcile']>>) => void;

/**
 * Compares counters with the entries they come from while the gateway runs: one organisation at a time, `every_ms` apart
 * and further where a look takes long, so that a long history costs no more than five parts in a thousand of the time. A
 * difference is told when it is there at a second look as well: a call settled in the middle of the first is no drift.
 */
export function checkDrift(
  ledger: Pick<Ledger, 'reconcile'>,
  organizations: () => readonly string[],
  found: Found,
  every_ms: number,
): { close(): void } {
  let next = 0;
  let closed = false;
  let timer: NodeJS.Timeout | undefined;
  const look = async (): Promise<void> => {
    const began = performance.now();
    const all = organizations();
    const organization = all[next % Math.max(1, all.length)];
    next = (next + 1) % Math.max(1, all.length);
    try {
      if (organization !== undefined) found(organization, await twice(ledger, organization));
    } catch {
      // A lost ledger has no drift that could be seen: the last figure stands.
    }
    if (!closed) wait(Math.max(every_ms, (performance.now() - began) / duty));
  };
  const wait = (ms: number): void => {
    timer = setTimeout(() => void look(), Math.min(ms, 86_400_000));
    timer.unref();
  };
  wait(every_ms);
  return {
    close() {
      closed = true;
      clearTimeout(timer);
    },
  };
}

async function twice(ledger: Pick<Ledger, 'reconcile'>, organization: string): ReturnType<Ledger['reconcile']> {
  const first = await ledger.reconcile(organization, { repair: false });
  if (first.length === 0) return first;
  const before = new Set(first.map(({ key }) => key));
  return (await ledger.reconcile(organization, { repair: false })).filter(({ key }) => before.has(key));
}
