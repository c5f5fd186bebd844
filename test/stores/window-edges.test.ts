import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type EmbeddedLedger, HoldGone, openEmbeddedLedger } from '../../src/stores/index.ts';
import { budget, rate } from '../contracts/ledger.ts';

const budgets = [
  budget({ window: 'minute', limit: 500 }),
  budget({ window: 'hour', limit: 900, timeZone: 'Asia/Kolkata' }),
  budget({ window: 'day', limit: 1_500, timeZone: 'America/Sao_Paulo', unit: 'tokens' }),
  budget({ window: 'minute', limit: 3, unit: 'requests', scope: { kind: 'key', id: 'k' } }),
  budget({ window: 'rolling', rolling_ms: 60_000, limit: 700 }),
  budget({ window: 'month', limit: 2_500 }),
];
const rates = [
  rate({ unit: 'tokens', limit: 600, window_ms: 30_000 }),
  rate({ unit: 'concurrent', limit: 3, window_ms: 0 }),
];
const id = fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f');
const amount = fc.record({ nusd: fc.nat(300), tokens: fc.nat(300) });
const asked = fc.record({
  do: fc.constantFrom('reserve' as const, 'amend' as const),
  id,
  amount,
  of: fc.subarray([...budgets.keys()]),
  rated: fc.boolean(),
  lease_ms: fc.constantFrom(1_000, 50_000, 500_000),
});
/** Over the edges of minutes, hours and days, there and back. */
const clock = fc.oneof(
  fc.integer({ min: -90_000, max: 120_000 }),
  fc.integer({ min: -4_000_000, max: 4_000_000 }),
  fc.integer({ min: -90_000_000, max: 90_000_000 }),
);
const step = fc.oneof(
  { weight: 10, arbitrary: asked },
  { weight: 5, arbitrary: fc.record({ do: fc.constant('settle' as const), id, amount }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('release' as const), id }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('clock' as const), ms: clock }) },
  { weight: 1, arbitrary: fc.constant({ do: 'restart' as const }) },
  { weight: 1, arbitrary: fc.constant({ do: 'reset' as const }) },
);

/** A ledger on a clock that is set, which may be killed and comes back with what its journal has. */
class Life {
  now = 1_795_737_500_000;
  latest = this.now;
  readonly #home = mkdtempSync(join(tmpdir(), 'window-edges-'));
  readonly #opened: EmbeddedLedger[] = [];

  async restart(): Promise<void> {
    const lives = this.#opened.length;
    const path = join(this.#home, String(lives));
    if (lives > 0) cpSync(join(this.#home, String(lives - 1)), path, { recursive: true });
    rmSync(join(path, 'lock'), { force: true });
    const clock = () => this.now;
    this.#opened.push(await openEmbeddedLedger({ path, clock, reap_interval_ms: 0, segment_bytes_max: 2_500 }));
  }

  get ledger(): EmbeddedLedger {
    return this.#opened.at(-1)!;
  }

  set(ms: number): void {
    this.now += ms;
    this.latest = Math.max(this.latest, this.now);
  }

  async end(): Promise<void> {
    for (const ledger of this.#opened) await ledger.close();
    rmSync(this.#home, { recursive: true });
  }
}

async function taken({ ledger }: Life): Promise<Map<string, number>> {
  return new Map((await ledger.counters('acme')).map(({ key, spent, held }) => [key, spent + held]));
}

test('over the edges of windows, there and back: no limit is passed but by debts, and sums are those of entries', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
      const life = new Life();
      await life.restart();
      const debts = new Map<string, number>();
      try {
        for (const one of steps) {
          if (one.do === 'clock') life.set(one.ms);
          else if (one.do === 'restart') await life.restart();
          else if (one.do === 'reset') {
            for (const key of [...(await taken(life)).keys()].slice(0, 2)) await life.ledger.reset('acme', key);
          } else if (one.do === 'release') await life.ledger.release(one.id, 'acme');
          else if (one.do === 'settle') {
            const before = await taken(life);
            await life.ledger.settle({ id: one.id, organization: 'acme', amount: one.amount, estimated: false });
            for (const [key, after] of await taken(life)) {
              debts.set(key, (debts.get(key) ?? 0) + Math.max(0, after - (before.get(key) ?? 0)));
            }
          } else {
            const limits = { budgets: one.of.map((at) => budgets[at]!), rates: one.rated ? rates : [] };
            const call = { ...one, ...limits, organization: 'acme', owner: 'here' };
            await life.ledger[one.do](call).catch((error: unknown) => expect(error).toBeInstanceOf(HoldGone));
          }
          await life.ledger.reap();
          for (const hold of await life.ledger.holds('acme')) expect(hold.expires_at_ms).toBeGreaterThan(life.now);
          for (const { key, limit, spent, held } of await life.ledger.counters('acme')) {
            expect(spent + held).toBeLessThanOrEqual(limit + (debts.get(key) ?? 0));
          }
        }
        expect(await life.ledger.reconcile('acme', { repair: false })).toEqual([]);
        life.now = life.latest + 1_000_000;
        await life.ledger.reap();
        for (const { held } of await life.ledger.counters('acme')) expect(held).toBe(0);
        expect((await life.ledger.read('acme', [], rates)).rates[1]!.used).toBe(0);
        expect(await life.ledger.reconcile('acme', { repair: false })).toEqual([]);
      } finally {
        await life.end();
      }
    }),
    { numRuns: 150 },
  );
});
