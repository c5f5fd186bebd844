import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Budget, type Ledger, LedgerUnavailable } from '../../src/stores/index.ts';
import { request } from '../contracts/ledger.ts';

export interface Spenders {
  /** Calls that were admitted and made. */
  readonly made: () => number;
  /** Verbs that were refused since the ledger was not there. */
  readonly failed: () => number;
  /** The longest a verb took, in milliseconds. */
  readonly slowest_ms: () => number;
  /** What went wrong besides. */
  readonly wrong: () => readonly unknown[];
  /** No new calls; resolves when those under way are over. */
  stop(): Promise<void>;
  /** Resolves when the budget has refused every one of them. */
  readonly refused: Promise<void>;
}

/** Callers at each ledger, all at once: each holds, makes a call, settles what it cost (or posts it), until it is refused. */
export function spend(
  ledgers: readonly Ledger[],
  options: {
    readonly each: number;
    readonly cost: number;
    readonly budget: Budget;
    readonly call_ms?: number;
    readonly posted?: boolean;
  },
): Spenders {
  const { each, cost, budget, call_ms = 5, posted = false } = options;
  const name = randomBytes(4).toString('hex');
  const wrong: unknown[] = [];
  let made = 0;
  let failed = 0;
  let slowest_ms = 0;
  let stopped = false;
  const timed = async <T>(verb: () => Promise<T>): Promise<T | undefined> => {
    const started = performance.now();
    try {
      return await verb();
    } catch (error) {
      if (!(error instanceof LedgerUnavailable)) wrong.push(error);
      failed++;
      return undefined;
    } finally {
      slowest_ms = Math.max(slowest_ms, performance.now() - started);
    }
  };
  const caller = async (ledger: Ledger, who: string): Promise<void> => {
    for (let at = 0; !stopped; at++) {
      const id = `${name}-${who}-${at}`;
      const reserved = await timed(() =>
        ledger.reserve(request(id, { nusd: cost }, { budgets: [budget], lease_ms: 20_000 })),
      );
      if (reserved === undefined) {
        await sleep(20);
        continue;
      }
      if (reserved.outcome === 'refused') {
        // What others hold may come back.
        if (reserved.refusal.kind === 'budget' && reserved.refusal.spent + cost > budget.limit) return;
        await sleep(20);
        continue;
      }
      made++;
      await sleep(Math.random() * 2 * call_ms);
      const settlement = { id, organization: 'acme', amount: { nusd: cost, tokens: 0 }, estimated: false };
      await timed<unknown>(() => (posted ? ledger.post(settlement) : ledger.settle(settlement)));
    }
  };
  const all = ledgers.flatMap((ledger, place) =>
    Array.from({ length: each }, (_, at) => caller(ledger, `${place}.${at}`)),
  );
  const over = Promise.all(all).then(() => {});
  return {
    made: () => made,
    failed: () => failed,
    slowest_ms: () => slowest_ms,
    wrong: () => wrong,
    async stop() {
      stopped = true;
      await over;
    },
    refused: over,
  };
}
