import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import fc from 'fast-check';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import {
  type Budget,
  type BudgetState,
  type EmbeddedLedger,
  openEmbeddedLedger,
  openLeasedLedger,
  openRedisLedger,
  type RedisLedger,
  type Reserved,
} from '../../src/stores/index.ts';
import { budget } from '../contracts/ledger.ts';
import { type RedisServer, startRedis } from '../support/redis.ts';
import { budgets, people, rates, type Step, seen, take, verbs } from './ledger-steps.ts';

let server: RedisServer;
let remote: RedisLedger;
let home: string;
beforeAll(async () => {
  server = await startRedis();
});
afterAll(() => server.stop());
beforeEach(async () => {
  home = mkdtempSync(join(tmpdir(), 'ledger-laws-'));
  const options = { url: server.url, keyPrefix: 'llm', owner: 'here', deadline_ms: 30_000, reap_interval_ms: 0 };
  remote = await openRedisLedger({ ...options, entries_max: 1_000 });
});
afterEach(async () => {
  await remote.close();
  rmSync(home, { recursive: true });
});

const clock_ms = 1_795_250_000_000;
let organizations = 0;
const fresh = () => `o${++organizations}`;
const settledAll = (ledger: RedisLedger, organization: string) => ledger.read(organization, [], []);

test('Redis answers every step as the embedded store does, and both can be rebuilt from their entries', async () => {
  const dies = fc.boolean();
  const list = fc.array(fc.oneof(...verbs(dies), ...people), { maxLength: 40 });
  const embedded = await openEmbeddedLedger({ path: home, clock: () => clock_ms, reap_interval_ms: 0 });
  try {
    await fc.assert(
      fc.asyncProperty(list, async (steps: readonly Step[]) => {
        const organization = fresh();
        for (const step of steps) {
          const answers = [await take(embedded, step, organization), await take(remote, step, organization)];
          await Promise.all([embedded.reap(), settledAll(remote, organization).then(() => remote.reap())]);
          expect(answers[1]).toEqual(answers[0]);
        }
        expect(await seen(remote, organization)).toEqual(await seen(embedded, organization));
        for (const ledger of [embedded, remote]) {
          expect(await ledger.reconcile(organization, { repair: false })).toEqual([]);
        }
        await server.client().srem('llm:organizations', organization);
      }),
      { numRuns: 60 },
    );
  } finally {
    await embedded.close();
  }
});

/** A hold given back, begun anew under as many other limits and settled, all at once: told of the limits it has now. */
const begunAnew: readonly (readonly Step[])[] = [
  [{ do: 'reserve', dies: false, ...nothingOf([1, 2, 3, 4, 5, 6, 7]) }],
  [
    { do: 'release', id: 'g' },
    { do: 'reserve', dies: false, ...nothingOf([0, 1, 2, 3, 4, 5, 6]) },
    { do: 'settle', id: 'g', amount: { nusd: 3, tokens: 2 } },
  ],
];
function nothingOf(of: readonly number[]) {
  return { id: 'g', amount: { nusd: 0, tokens: 0 }, of, at: [] };
}

test('what is asked in one turn is answered as if it were asked one after another', async () => {
  const turn = fc.array(fc.oneof(...verbs(fc.constant(false))), { minLength: 1, maxLength: 12 });
  await fc.assert(
    fc.asyncProperty(fc.array(turn, { maxLength: 5 }), async (turns: readonly (readonly Step[])[]) => {
      const [alone, together] = [fresh(), fresh()];
      for (const steps of turns) {
        const one: unknown[] = [];
        for (const step of steps) one.push(await take(remote, step, alone));
        const all = await Promise.all(steps.map((step) => take(remote, step, together)));
        expect(all).toEqual(one);
      }
      expect(await seen(remote, together)).toEqual(await seen(remote, alone));
      expect(await remote.reconcile(together, { repair: false })).toEqual([]);
    }),
    { numRuns: 60, examples: [[begunAnew]] },
  );
});

test('who was only slow holds its estimate again where that still counts, else only where there is room for it', async () => {
  const embedded = await openEmbeddedLedger({ path: home, reap_interval_ms: 0 });
  const taken = { url: server.url, keyPrefix: 'slow', owner: 'here', deadline_ms: 5_000, reap_interval_ms: 0 };
  const path = mkdtempSync(join(tmpdir(), 'slow-'));
  const leased = await openLeasedLedger({ ...taken, path, ahead_ms: 0 });
  const second = budget({ window: 'rolling', rolling_ms: 1_000, limit: 700 });
  const total = budget({ window: 'total', limit: 700 });
  const nothing = { organization: 'slow', budgets: [], rates: [] };
  try {
    for (const ledger of [embedded, remote, leased]) {
      const held = async (id: string, nusd: number, budgets: readonly Budget[], lease_ms = 60_000) => {
        const asked = { ...nothing, id, amount: { nusd, tokens: 0 }, lease_ms };
        const known = (await ledger.reserve({ ...asked, budgets, owner: 'here' })).outcome === 'held';
        return known && (await ledger.amend(asked)).outcome === 'held';
      };
      for (const one of [total, second]) {
        const [a, b] = [`${one.window} a`, `${one.window} b`].map(encodeURIComponent) as [string, string];
        expect(await held(a, 400, [one], 1)).toBe(true);
        await sleep(5);
        expect(await ledger.reap()).toBe(1);
        // It ages out, or people forgive it.
        if (one === second) await sleep(1_100);
        else {
          expect(await held(b, 301, [one])).toBe(false);
          expect(await held(a, 400, [], 1)).toBe(true);
          await sleep(5);
          await ledger.reap();
          await ledger.reset('slow', 'budget:team:research:total');
        }
        expect(await held(b, 600, [one])).toBe(true);
        expect(await held(a, 400, [])).toBe(false);
        await ledger.release(b, 'slow');
        expect(await held(a, 700, [])).toBe(true);
        expect((await ledger.read('slow', [one], [])).budgets).toMatchObject([{ spent: 0, held: 700 }]);
      }
      expect(await ledger.reconcile('slow', { repair: false })).toEqual([]);
    }
  } finally {
    await leased.close();
    rmSync(path, { recursive: true, force: true });
    await embedded.close();
  }
});

/** Windows short enough for a clock that jumps to leave them. */
const short: typeof budgets = budgets.map((one) =>
  one.rolling_ms === undefined ? one : { ...one, rolling_ms: 60_000 },
);

test('through crashes and whatever the clock does: no limit is passed at a reserve, holds are within their leases, sums are those of entries', async () => {
  const step = fc.oneof(
    ...verbs(fc.boolean()),
    {
      weight: 3,
      arbitrary: fc.record({ do: fc.constant('clock' as const), ms: fc.integer({ min: -90_000, max: 120_000 }) }),
    },
    { weight: 1, arbitrary: fc.constant({ do: 'restart' as const }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('reset' as const), budget: fc.nat(budgets.length - 1) }) },
  );
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps: readonly Step[]) => {
      let now = clock_ms;
      let lives = 0;
      const root = mkdtempSync(join(home, 'run-'));
      const open = () =>
        openEmbeddedLedger({
          path: join(root, String(lives)),
          clock: () => now,
          reap_interval_ms: 0,
          segment_bytes_max: 2_000,
        });
      const opened: EmbeddedLedger[] = [await open()];
      let latest = now;
      try {
        for (const one of steps) {
          const ledger = opened.at(-1)!;
          if (one.do === 'clock') now += one.ms;
          latest = Math.max(latest, now);
          if (one.do === 'restart') {
            cpSync(join(root, String(lives)), join(root, String(lives + 1)), { recursive: true });
            rmSync(join(root, String(lives + 1), 'lock'));
            lives++;
            opened.push(await open());
          } else if (one.do === 'reserve') {
            const asked = { ...one, organization: 'acme', owner: 'here', lease_ms: one.dies ? 1_000 : 50_000 };
            const limits = { budgets: one.of.map((at) => short[at]!), rates: one.at.map((at) => rates[at]!) };
            const before = await ledger.read('acme', limits.budgets, []);
            fits(await ledger.reserve({ ...asked, ...limits }), one.amount, before.budgets);
          } else if (one.do !== 'clock') {
            await take(ledger, one, 'acme');
          }
          await opened.at(-1)!.reap();
          for (const hold of await opened.at(-1)!.holds('acme')) expect(hold.expires_at_ms).toBeGreaterThan(now);
        }
        const ledger = opened.at(-1)!;
        expect(await ledger.reconcile('acme', { repair: false })).toEqual([]);
        now = latest + 1_000_000;
        await ledger.reap();
        for (const counter of await ledger.counters('acme')) expect(counter.held).toBe(0);
        now += 2 * 86_400_000;
        for (const { key, spent } of await ledger.counters('acme'))
          if (key.includes(':rolling:')) expect(spent).toBe(0);
        expect(await ledger.reconcile('acme', { repair: false })).toEqual([]);
      } finally {
        for (const ledger of opened) await ledger.close();
        rmSync(root, { recursive: true });
      }
    }),
    { numRuns: 120 },
  );
});

/** A new hold is under every limit, whatever debts there were before; a refusal is by one it is not under. */
function fits(
  reserved: Reserved,
  amount: { readonly nusd: number; readonly tokens: number },
  before: readonly BudgetState[] = [],
): void {
  if (reserved.outcome === 'held') {
    for (const [at, { budget, limit, spent, held }] of reserved.budgets.entries()) {
      const asked = budget.unit === 'requests' ? 1 : amount[budget.unit];
      // A call that is held already is only told so.
      if (budget.hard && asked > 0 && held >= asked + (before[at]?.held ?? 0)) {
        expect(spent + held).toBeLessThanOrEqual(limit);
      }
    }
    return;
  }
  const { refusal } = reserved;
  if (refusal.kind === 'budget') expect(refusal.spent + refusal.held + refusal.asked).toBeGreaterThan(refusal.limit);
  else expect(refusal.used + refusal.asked).toBeGreaterThan(refusal.rate.limit);
}
