import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { CallerBudget, CallerRate } from '../../src/callers/index.ts';
import { Refused } from '../../src/pipeline/refusal.ts';
import { failureHeaders } from '../../src/pipeline/reply-headers.ts';
import { type Amount, type EmbeddedLedger, openEmbeddedLedger } from '../../src/stores/index.ts';

const noon_ms = Date.parse('2026-11-21T12:00:20.500Z');
const scope = { kind: 'team', id: 't' } as const;
const hour_ms = 3_600_000;

const windows = [
  { window: 'minute' },
  { window: 'hour', timeZone: 'Asia/Kolkata' },
  { window: 'day', timeZone: 'Europe/Berlin' },
  { window: 'month' },
  { window: 'total' },
  { window: 'rolling', rolling_ms: hour_ms },
] as const;
const budgets: readonly CallerBudget[] = windows.flatMap((window) =>
  (['nusd', 'tokens', 'requests'] as const).map((unit) => {
    const limit = unit === 'requests' ? 4 : 100;
    return { scope, ...window, unit, limit, hard: true, warnPercent: [], onExceed: 'throttle' as const };
  }),
);
const rates: readonly CallerRate[] = [1_000, 60_000, hour_ms].flatMap((window_ms) =>
  (['requests', 'tokens', 'input_tokens', 'output_tokens'] as const).map((unit) => {
    return { scope, unit, limit: unit === 'requests' ? 3 : 80, window_ms };
  }),
);

let directory: string;
let ledger: EmbeddedLedger;
let now = noon_ms;
beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'retry-after-'));
  ledger = await openEmbeddedLedger({ path: directory, clock: () => now, reap_interval_ms: 0 });
});
afterAll(async () => {
  await ledger.close();
  rmSync(directory, { recursive: true });
});

const amount = fc
  .record({ nusd: fc.nat(130), tokens: fc.nat(130), share: fc.nat(100) })
  .map(({ nusd, tokens, share }): Amount => ({ nusd, tokens, input: Math.floor((tokens * share) / 100) }));
const call = fc.record({ amount, cost: amount, gap_ms: fc.oneof(fc.nat(900), fc.nat(70_000), fc.nat(4_000_000)) });
const limits = fc.record({
  budgets: fc.subarray([...budgets], { maxLength: 4 }),
  rates: fc.subarray([...rates], { maxLength: 4 }),
});

test('who waits as long as Retry-After says is let in, and who is told none is not, whichever limits refuse', async () => {
  let organizations = 0;
  let [later, never] = [0, 0];
  await fc.assert(
    fc.asyncProperty(limits, fc.array(call, { maxLength: 12 }), amount, async (limited, past, asked) => {
      const organization = `o${organizations++}`;
      now = noon_ms;
      const reserve = (id: string, amount: Amount) =>
        ledger.reserve({ id, organization, amount, ...limited, lease_ms: 1_000_000_000, owner: 'here' });
      for (const [index, { amount, cost, gap_ms }] of past.entries()) {
        const id = `past-${index}`;
        if ((await reserve(id, amount)).outcome === 'held') {
          await ledger.settle({ id, organization, amount: cost, estimated: false });
        }
        now += gap_ms;
      }
      const answer = await reserve('asked', asked);
      if (answer.outcome === 'held') return;
      const headers = failureHeaders(new Refused(answer, limited), 'r');
      const seconds = headers['retry-after'];
      expect(headers['x-should-retry']).toBe(seconds === undefined ? 'false' : undefined);
      if (seconds === undefined) {
        never += 1;
        now += 40 * 24 * hour_ms;
        expect((await reserve('asked', asked)).outcome).toBe('refused');
      } else {
        later += 1;
        now += Number(seconds) * 1_000;
        expect((await reserve('asked', asked)).outcome).toBe('held');
      }
    }),
    { numRuns: 200 },
  );
  expect(Math.min(later, never)).toBeGreaterThan(5);
});
