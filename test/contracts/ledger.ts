import { afterAll, afterEach, beforeAll, beforeEach, describe, type ExpectStatic, test } from 'vitest';
import type { Amount, Budget, Ledger, LedgerEntry, Rate, Reserved, ReserveRequest } from '../../src/stores/index.ts';
import { HoldGone } from '../../src/stores/index.ts';

export interface LedgerUnderTest {
  readonly ledger: Ledger & { reap(): Promise<number> };
  /** Lets time pass on the ledger's own clock. */
  pass(ms: number): Promise<void>;
  now(): Promise<number>;
  close(): Promise<void>;
}

export const research = { kind: 'team', id: 'research' } as const;

export function budget(over: Partial<Budget> = {}): Budget {
  return { scope: research, window: 'day', unit: 'nusd', limit: 700, hard: true, warnPercent: [], ...over };
}

export function rate(over: Partial<Rate> = {}): Rate {
  return { scope: research, unit: 'requests', limit: 3, window_ms: 60_000, ...over };
}

export function request(id: string, amount: Partial<Amount>, over: Partial<ReserveRequest> = {}): ReserveRequest {
  return {
    id,
    organization: 'acme',
    amount: { nusd: 0, tokens: 0, ...amount },
    budgets: [budget()],
    rates: [],
    lease_ms: 60_000,
    owner: 'here',
    ...over,
  };
}

export function refusalOf(reserved: Reserved) {
  if (reserved.outcome !== 'refused') throw new Error('expected a refusal, and it was held');
  return reserved.refusal;
}

export async function entriesOf(ledger: Ledger, organization = 'acme'): Promise<LedgerEntry[]> {
  const list: LedgerEntry[] = [];
  for await (const entry of ledger.entries(organization)) list.push(entry);
  return list;
}

/** What every ledger promises, whatever it keeps its numbers in. */
export function ledgerContract(
  name: string,
  open: () => Promise<LedgerUnderTest>,
  setUp = async () => {},
  tearDown = async () => {},
) {
  // One test after the other, also where the same contract is tried on several ledgers side by side.
  describe.sequential(`${name}: the ledger's contract`, () => {
    let under: LedgerUnderTest;
    let ledger: LedgerUnderTest['ledger'];
    // Of the test that runs here: the one to import takes whichever began last anywhere, or none where that has ended.
    let expect: ExpectStatic;
    beforeAll(setUp);
    afterAll(tearDown);
    beforeEach(async (context) => {
      expect = context.expect;
      under = await open();
      ledger = under.ledger;
    });
    afterEach(() => under.close());

    /**
     * Steps that are done within so many ms of the ledger's clock, or say nothing: where the machine took longer, they are
     * tried again from the first on, in a ledger without a past.
     */
    const within = async <T>(ms: number, steps: () => Promise<T>): Promise<T> => {
      for (let tries = 1; ; tries++) {
        const start = await under.now();
        try {
          return await steps();
        } catch (error) {
          if (tries === 8 || (await under.now()) - start <= ms) throw error;
        }
        await under.close();
        under = await open();
        ledger = under.ledger;
      }
    };

    const settle = (id: string, nusd: number, tokens = 0, estimated = false) =>
      ledger.settle({ id, organization: 'acme', amount: { nusd, tokens }, estimated });
    const amend = (
      id: string,
      amount: Partial<Amount>,
      budgets: Budget[] = [],
      rates: Rate[] = [],
      lease_ms = 60_000,
    ) =>
      ledger.amend({ id, organization: 'acme', amount: { nusd: 0, tokens: 0, ...amount }, budgets, rates, lease_ms });
    const state = async (one = budget()) => {
      const { budgets } = await ledger.read('acme', [one], []);
      return { spent: budgets[0]!.spent, held: budgets[0]!.held };
    };
    const used = async (one: Rate) => (await ledger.read('acme', [], [one])).rates[0]!.used;

    describe('reserve', () => {
      test('counts calls at once under a limit that nobody reaches, until they end', async () => {
        const seats = rate({ unit: 'concurrent', window_ms: 0, limit: Number.MAX_SAFE_INTEGER });
        expect(await used(seats)).toBe(0);
        for (const id of ['a', 'b', 'c']) {
          const held = await ledger.reserve(request(id, { nusd: 10 }, { rates: [seats] }));
          expect(held.outcome).toBe('held');
        }
        expect(await used(seats)).toBe(3);
        await settle('a', 5);
        await ledger.release('b', 'acme');
        expect(await used(seats)).toBe(1);
      });

      test('holds the worst case under every budget and every rate', async () => {
        const budgets = [
          budget(),
          budget({ unit: 'tokens', limit: 100 }),
          budget({ unit: 'requests', window: 'month' }),
        ];
        const rates = [rate(), rate({ unit: 'tokens', limit: 50 }), rate({ unit: 'concurrent', window_ms: 0 })];
        const reserved = await ledger.reserve(request('a', { nusd: 100, tokens: 20 }, { budgets, rates }));
        expect(reserved.outcome).toBe('held');
        if (reserved.outcome !== 'held') return;
        expect(reserved.budgets.map(({ spent, held }) => [spent, held])).toEqual([
          [0, 100],
          [0, 20],
          [0, 1],
        ]);
        expect(reserved.budgets.map((one) => one.budget)).toEqual(budgets);
        expect(reserved.rates.map((one) => [one.used, one.remaining])).toEqual([
          [1, 2],
          [20, 30],
          [1, 2],
        ]);
        const now = await under.now();
        expect(reserved.budgets[0]!.resets_at_ms).toBe(Math.floor(now / 86_400_000) * 86_400_000 + 86_400_000);
        expect(reserved.rates[0]!.reset_ms).toBeGreaterThan(59_000);
        expect(reserved.rates[0]!.reset_ms).toBeLessThanOrEqual(62_000);
      });

      test('200 parallel calls against a budget that fits 7 admit exactly 7, and nothing is held afterwards', async () => {
        const calls = Array.from({ length: 200 }, (_, at) => ledger.reserve(request(`p${at}`, { nusd: 100 })));
        const answers = await Promise.all(calls);
        const held = answers.flatMap((one, at) => (one.outcome === 'held' ? [`p${at}`] : []));
        expect(held).toHaveLength(7);
        expect(await state()).toEqual({ spent: 0, held: 700 });
        await Promise.all(held.map((id) => settle(id, 100)));
        expect(await state()).toEqual({ spent: 700, held: 0 });
        expect(await ledger.holds('acme')).toEqual([]);
      });

      test('a refusal names the budget, what is spent and held, what was asked and when it resets', async () => {
        await ledger.reserve(request('a', { nusd: 300 }));
        await settle('a', 250);
        await ledger.reserve(request('b', { nusd: 400 }));
        const refusal = refusalOf(await ledger.reserve(request('c', { nusd: 51 })));
        expect(refusal).toMatchObject({ kind: 'budget', budget: budget(), spent: 250, held: 400, asked: 51 });
        expect(refusal).toHaveProperty('resets_at_ms');
        expect((await ledger.reserve(request('d', { nusd: 50 }))).outcome).toBe('held');
      });

      test('is all or nothing: what the second limit refuses is not held by the first', async () => {
        const wide = budget({ window: 'month', limit: 10_000 });
        const narrow = budget({ scope: { kind: 'user', id: 'u1' }, limit: 5 });
        const rates = [rate(), rate({ unit: 'concurrent', window_ms: 0 })];
        expect(
          refusalOf(await ledger.reserve(request('a', { nusd: 6 }, { budgets: [wide, narrow], rates }))),
        ).toMatchObject({
          budget: narrow,
        });
        expect(await state(wide)).toEqual({ spent: 0, held: 0 });
        expect(await used(rates[0]!)).toBe(0);
        const strict = rate({ unit: 'tokens', limit: 9 });
        const refused = refusalOf(
          await ledger.reserve(request('b', { nusd: 6, tokens: 10 }, { budgets: [wide], rates: [...rates, strict] })),
        );
        expect(refused).toMatchObject({ kind: 'rate', rate: strict, used: 0, asked: 10 });
        expect(await state(wide)).toEqual({ spent: 0, held: 0 });
        expect([await used(rates[0]!), await used(rates[1]!)]).toEqual([0, 0]);
        expect(await ledger.holds('acme')).toEqual([]);
      });

      test('a call whose worst case alone exceeds a limit is refused the same way', async () => {
        expect(refusalOf(await ledger.reserve(request('a', { nusd: 701 })))).toMatchObject({
          spent: 0,
          held: 0,
          asked: 701,
        });
      });

      test('a known id answers as before and holds nothing twice', async () => {
        const rates = [rate(), rate({ unit: 'concurrent', window_ms: 0 })];
        const first = await ledger.reserve(request('a', { nusd: 600 }, { rates }));
        const second = await ledger.reserve(request('a', { nusd: 600 }, { rates }));
        expect(second.outcome).toBe('held');
        expect(first.outcome).toBe('held');
        expect(await state()).toEqual({ spent: 0, held: 600 });
        expect([await used(rates[0]!), await used(rates[1]!)]).toEqual([1, 1]);
        await settle('a', 10);
        expect((await ledger.reserve(request('a', { nusd: 600 }, { rates }))).outcome).toBe('held');
        expect(await state()).toEqual({ spent: 10, held: 0 });
      });

      test('a soft budget counts and never refuses', async () => {
        const soft = budget({ hard: false, limit: 10 });
        expect((await ledger.reserve(request('a', { nusd: 5_000 }, { budgets: [soft] }))).outcome).toBe('held');
        expect(await state(soft)).toEqual({ spent: 0, held: 5_000 });
      });

      test('a warning and a limit on the same window count once', async () => {
        const both = [budget({ hard: false, limit: 400 }), budget({ limit: 500 })];
        expect((await ledger.reserve(request('a', { nusd: 450 }, { budgets: both }))).outcome).toBe('held');
        expect(await state()).toEqual({ spent: 0, held: 450 });
        expect(refusalOf(await ledger.reserve(request('b', { nusd: 51 }, { budgets: both })))).toMatchObject({
          budget: both[1],
        });
        expect((await ledger.counters('acme')).map(({ limit }) => limit)).toEqual([500]);
      });

      test('a new limit takes effect on the next call', async () => {
        await ledger.reserve(request('a', { nusd: 600 }));
        expect((await ledger.reserve(request('b', { nusd: 1 }, { budgets: [budget({ limit: 600 })] }))).outcome).toBe(
          'refused',
        );
        expect((await ledger.reserve(request('b', { nusd: 300 }, { budgets: [budget({ limit: 900 })] }))).outcome).toBe(
          'held',
        );
        expect((await ledger.counters('acme'))[0]).toMatchObject({ limit: 900, held: 900 });
      });

      test('windows, units, scopes and organisations are counted apart', async () => {
        const all = [budget(), budget({ window: 'month' }), budget({ scope: { kind: 'project', id: 'research' } })];
        await ledger.reserve(request('a', { nusd: 1 }, { budgets: [all[0]!] }));
        await ledger.reserve(request('b', { nusd: 2 }, { budgets: [all[1]!] }));
        await ledger.reserve(request('c', { nusd: 4 }, { budgets: [all[2]!] }));
        await ledger.reserve(request('a', { nusd: 8 }, { budgets: [all[0]!], organization: 'other' }));
        expect(await Promise.all(all.map((one) => state(one)))).toEqual([1, 2, 4].map((held) => ({ spent: 0, held })));
        expect((await ledger.read('other', [all[0]!], [])).budgets[0]!.held).toBe(8);
      });

      test('ids that look like punctuation cannot meet another counter', async () => {
        const odd = budget({ scope: { kind: 'user', id: 'a:day:2026-11-21 }{%' } });
        const plain = budget({ scope: { kind: 'user', id: 'a' } });
        await ledger.reserve(request('a', { nusd: 7 }, { budgets: [odd], organization: 'a}b {c' }));
        expect((await ledger.read('a}b {c', [odd, plain], [])).budgets.map(({ held }) => held)).toEqual([7, 0]);
        const { budgets } = await ledger.settle({
          id: 'a',
          organization: 'a}b {c',
          amount: { nusd: 7, tokens: 0 },
          estimated: false,
        });
        expect(budgets[0]!.budget.scope).toEqual(odd.scope);
      });

      test('amounts that are not non-negative integers are a TypeError, limits above 2^53 an error', async () => {
        for (const wrong of [Number.NaN, -1, 0.5, Number.POSITIVE_INFINITY, 2 ** 53]) {
          await expect(ledger.reserve(request('a', { nusd: wrong }))).rejects.toThrow(TypeError);
          await expect(ledger.reserve(request('a', { tokens: wrong }))).rejects.toThrow(TypeError);
          await expect(settle('a', wrong)).rejects.toThrow(TypeError);
          await expect(amend('a', { nusd: wrong })).rejects.toThrow(TypeError);
        }
        for (const limit of [Number.NaN, -1, 0.5]) {
          await expect(ledger.reserve(request('a', {}, { budgets: [budget({ limit })] }))).rejects.toThrow(TypeError);
        }
        await expect(ledger.reserve(request('a', {}, { budgets: [budget({ limit: 2 ** 53 })] }))).rejects.toThrow(
          RangeError,
        );
        await expect(
          ledger.reserve(request('a', {}, { budgets: [budget({ timeZone: 'Mars/Olympus' })] })),
        ).rejects.toThrow(RangeError);
      });

      test('sums are exact up to 2^53', async () => {
        const most = Number.MAX_SAFE_INTEGER;
        const wide = budget({ limit: most });
        expect((await ledger.reserve(request('a', { nusd: most - 1 }, { budgets: [wide] }))).outcome).toBe('held');
        expect((await ledger.reserve(request('b', { nusd: 2 }, { budgets: [wide] }))).outcome).toBe('refused');
        expect((await ledger.reserve(request('b', { nusd: 1 }, { budgets: [wide] }))).outcome).toBe('held');
        expect(await state(wide)).toEqual({ spent: 0, held: most });
        await settle('a', most - 1);
        expect(await state(wide)).toEqual({ spent: most - 1, held: 1 });
      });
    });

    describe('rates', () => {
      test('no more requests than the limit in any window, and capacity comes back', async () => {
        const three = rate({ window_ms: 1_200 });
        const call = (id: string) => ledger.reserve(request(id, {}, { budgets: [], rates: [three] }));
        const retry_after_ms = await within(500, async () => {
          for (const id of ['a', 'b', 'c']) expect((await call(id)).outcome).toBe('held');
          const refusal = refusalOf(await call('d'));
          expect(refusal).toMatchObject({ kind: 'rate', rate: three, used: 3, remaining: 0, asked: 1 });
          if (refusal.kind !== 'rate') return 0;
          expect(refusal.retry_after_ms).toBeGreaterThan(600);
          expect(refusal.retry_after_ms).toBeLessThanOrEqual(1_220);
          return refusal.retry_after_ms;
        });
        await under.pass(retry_after_ms);
        expect((await call('e')).outcome).toBe('held');
      });

      test('of several limits without room the one that lasts longest is told, and who waits that long is let in', async () => {
        const both = [rate({ limit: 2, window_ms: 480 }), rate({ limit: 1, window_ms: 600 })] as const;
        const call = (id: string, rates: readonly Rate[], size = 10) =>
          ledger.reserve(request(id, { nusd: size, tokens: size }, { budgets: [budget({ limit: 50 })], rates }));
        const retry_after_ms = await within(300, async () => {
          await call('a', [both[0]]);
          await call('b', both);
          const refused = await call('c', both);
          expect(refusalOf(refused)).toMatchObject({ kind: 'rate', rate: both[1] });
          expect(refused).toMatchObject({ refusals: both.map((one) => ({ kind: 'rate', rate: one })) });
          // No time makes room for what is larger than a limit.
          expect(refusalOf(await call('d', both, 51))).toMatchObject({ kind: 'budget', asked: 51 });
          const small = rate({ unit: 'tokens', limit: 9 });
          expect(refusalOf(await call('e', [...both, small]))).toMatchObject({ kind: 'rate', rate: small, asked: 10 });
          const told = refusalOf(await call('c', both));
          return told.kind === 'rate' ? told.retry_after_ms : 0;
        });
        await under.pass(retry_after_ms);
        expect((await call('c', both)).outcome).toBe('held');
      });

      test('a call is told when there is room for as much as it asks, whoever else asks for less', async () => {
        const tokens = rate({ unit: 'tokens', limit: 100, window_ms: 900 });
        const call = (id: string, size: number) =>
          ledger.reserve(request(id, { tokens: size }, { budgets: [], rates: [tokens] }));
        const waits = await within(600, async () => {
          await call('a', 60);
          await under.pass(120);
          await call('b', 40);
          const both = (await Promise.all([call('c', 50), call('d', 90)])).map(refusalOf);
          return both.map((one) => (one.kind === 'rate' ? one.retry_after_ms : 0));
        });
        expect(waits[1]! - waits[0]!).toBeGreaterThan(60);
        await under.pass(waits[1]!);
        expect((await call('d', 90)).outcome).toBe('held');
      });

      test('a settled request goes on counting in its window; a released one does not', async () => {
        const rates = [rate()];
        await ledger.reserve(request('a', { nusd: 1 }, { rates }));
        await settle('a', 1);
        await ledger.reserve(request('b', { nusd: 1 }, { rates }));
        await ledger.release('b', 'acme');
        expect(await used(rates[0]!)).toBe(1);
      });

      test('tokens are reserved and corrected when settled, downwards and upwards', async () => {
        const tokens = rate({ unit: 'tokens', limit: 1_000 });
        const call = (id: string) => ledger.reserve(request(id, { tokens: 600 }, { budgets: [], rates: [tokens] }));
        await call('a');
        expect((await call('b')).outcome).toBe('refused');
        await settle('a', 0, 100);
        expect(await used(tokens)).toBe(100);
        expect((await call('b')).outcome).toBe('held');
        await settle('b', 0, 900);
        expect(await used(tokens)).toBe(1_000);
      });

      test('calls at once: settled, released and abandoned ones give their place back', async () => {
        const two = rate({ unit: 'concurrent', limit: 2, window_ms: 0 });
        const call = (id: string, lease_ms = 60_000) =>
          ledger.reserve(request(id, {}, { budgets: [], rates: [two], lease_ms }));
        await within(250, async () => {
          await call('a');
          await call('b');
          expect(refusalOf(await call('c'))).toMatchObject({ kind: 'rate', rate: two, used: 2, remaining: 0 });
          await settle('a', 0);
          expect((await call('c', 300)).outcome).toBe('held');
          await ledger.release('b', 'acme');
          expect((await call('d')).outcome).toBe('held');
          expect((await call('e')).outcome).toBe('refused');
        });
        await under.pass(350);
        expect((await call('e')).outcome).toBe('held');
      });
    });

    describe('amend', () => {
      test('sets the hold in all, upwards and downwards, and renews the lease', async () => {
        await ledger.reserve(request('a', { nusd: 100 }, { lease_ms: 5_000 }));
        const before = (await ledger.holds('acme'))[0]!;
        const more = await amend('a', { nusd: 650 });
        expect(more).toMatchObject({ outcome: 'held', budgets: [{ spent: 0, held: 650 }] });
        const after = (await ledger.holds('acme'))[0]!;
        expect(after.amount.nusd).toBe(650);
        expect(after.expires_at_ms).toBeGreaterThan(before.expires_at_ms + 50_000);
        await amend('a', { nusd: 40 });
        expect(await state()).toEqual({ spent: 0, held: 40 });
      });

      test('is all or nothing: the old hold stands when refused', async () => {
        const rates = [rate({ unit: 'tokens', limit: 500 })];
        await ledger.reserve(request('a', { nusd: 100, tokens: 100 }, { rates }));
        await ledger.reserve(request('b', { nusd: 500, tokens: 100 }, { rates }));
        expect(refusalOf(await amend('a', { nusd: 201, tokens: 100 }))).toMatchObject({
          kind: 'budget',
          asked: 101,
          held: 600,
        });
        expect(refusalOf(await amend('a', { nusd: 200, tokens: 401 }))).toMatchObject({
          kind: 'rate',
          asked: 301,
          used: 200,
        });
        const poor = budget({ scope: { kind: 'model', id: 'big' }, limit: 10 });
        expect(refusalOf(await amend('a', { nusd: 150, tokens: 100 }, [poor]))).toMatchObject({
          budget: poor,
          asked: 150,
        });
        expect(await state()).toEqual({ spent: 0, held: 600 });
        expect(await used(rates[0]!)).toBe(200);
        expect(await state(poor)).toEqual({ spent: 0, held: 0 });
      });

      test('limits join; a request still counts once', async () => {
        const count = budget({ unit: 'requests', limit: 5 });
        const model = budget({ scope: { kind: 'model', id: 'big' } });
        const seats = rate({ unit: 'concurrent', window_ms: 0 });
        await ledger.reserve(request('a', { nusd: 10 }, { budgets: [budget(), count], rates: [rate()] }));
        await amend('a', { nusd: 30 }, [budget(), model], [rate(), seats]);
        await amend('a', { nusd: 20 }, [model], [seats]);
        expect(await state()).toEqual({ spent: 0, held: 20 });
        expect(await state(model)).toEqual({ spent: 0, held: 20 });
        expect(await state(count)).toEqual({ spent: 0, held: 1 });
        expect([await used(rate()), await used(seats)]).toEqual([1, 1]);
        await settle('a', 12, 3);
        expect(await state(model)).toEqual({ spent: 12, held: 0 });
        expect(await state(count)).toEqual({ spent: 1, held: 0 });
        const requests = (await ledger.counters('acme')).map((one) => one.requests);
        expect(requests).toEqual([1, 1, 1]);
        expect(await used(seats)).toBe(0);
      });

      test('of what is not held is HoldGone', async () => {
        await expect(amend('nobody', { nusd: 1 })).rejects.toThrow(HoldGone);
        await ledger.reserve(request('a', { nusd: 1 }));
        await settle('a', 1);
        await expect(amend('a', { nusd: 2 })).rejects.toThrow(HoldGone);
      });
    });

    describe('limits that stand in', () => {
      const series = { scope: research, window: 'day', unit: 'nusd' } as const;

      test('hold from the next call on, in every step, and the answer tells the limit in force', async () => {
        await ledger.reserve(request('a', { nusd: 600 }));
        await ledger.override('acme', { budget: series, limit: 900 });
        const raised = await ledger.reserve(request('b', { nusd: 300 }));
        expect(raised).toMatchObject({ outcome: 'held', budgets: [{ limit: 900, held: 900, budget: budget() }] });
        expect((await ledger.counters('acme'))[0]).toMatchObject({ limit: 900 });
        expect((await ledger.read('acme', [budget()], [])).budgets[0]).toMatchObject({ limit: 900 });
        expect(refusalOf(await ledger.reserve(request('c', { nusd: 1 })))).toMatchObject({ limit: 900, held: 900 });
        expect(refusalOf(await amend('a', { nusd: 601 }))).toMatchObject({ limit: 900, asked: 1 });
        await ledger.override('acme', { budget: series, limit: 1_000 });
        expect(await amend('a', { nusd: 700 })).toMatchObject({ outcome: 'held', budgets: [{ limit: 1_000 }] });
        expect((await settle('a', 100)).budgets[0]).toMatchObject({ limit: 1_000, spent: 100, held: 300 });
      });

      test('are told apart by scope, window, zone, unit and organisation', async () => {
        const others = [
          budget({ window: 'month' }),
          budget({ unit: 'tokens' }),
          budget({ timeZone: 'Europe/Berlin' }),
          budget({ scope: { kind: 'user', id: 'research' } }),
        ];
        await ledger.override('acme', { budget: series, limit: 5 });
        const { budgets } = await ledger.read('acme', [budget(), ...others], []);
        expect(budgets.map(({ limit }) => limit)).toEqual([5, 700, 700, 700, 700]);
        expect((await ledger.read('other', [budget()], [])).budgets[0]!.limit).toBe(700);
        await ledger.override('acme', { budget: { ...series, timeZone: 'Europe/Berlin' }, limit: 6 });
        expect((await ledger.read('acme', [others[2]!], [])).budgets[0]!.limit).toBe(6);
        expect((await ledger.overrides('acme')).map(({ budget: one, limit }) => [one, limit])).toEqual([
          [series, 5],
          [{ ...series, timeZone: 'Europe/Berlin' }, 6],
        ]);
      });

      test('end when they expire or are taken back; a later one replaces an earlier one', async () => {
        await within(300, async () => {
          const expires_at_ms = (await under.now()) + 300;
          await ledger.override('acme', { budget: series, limit: 10 });
          await ledger.override('acme', { budget: series, limit: 20, expires_at_ms });
          expect(await ledger.overrides('acme')).toEqual([{ budget: series, limit: 20, expires_at_ms }]);
          expect(refusalOf(await ledger.reserve(request('a', { nusd: 21 })))).toMatchObject({ limit: 20 });
        });
        await under.pass(400);
        expect(await ledger.reserve(request('a', { nusd: 21 }))).toMatchObject({ budgets: [{ limit: 700 }] });
        await ledger.override('acme', { budget: series, limit: 0 });
        expect((await ledger.reserve(request('b', { nusd: 1 }))).outcome).toBe('refused');
        expect(await ledger.clearOverride('acme', series)).toBe(true);
        expect(await ledger.clearOverride('acme', series)).toBe(false);
        expect((await ledger.reserve(request('b', { nusd: 1 }))).outcome).toBe('held');
      });

      test('must be sums that are exact', async () => {
        await expect(ledger.override('acme', { budget: series, limit: 2 ** 53 })).rejects.toThrow(RangeError);
        await expect(ledger.override('acme', { budget: series, limit: -1 })).rejects.toThrow(TypeError);
      });
    });

    test('a counter that people set to zero starts anew; what is held stays, and entries say so', async () => {
      await ledger.reserve(request('a', { nusd: 500, tokens: 5 }));
      await settle('a', 450, 4);
      await ledger.reserve(request('b', { nusd: 200 }));
      const [counter] = await ledger.counters('acme');
      expect(await ledger.reset('acme', counter!.key)).toBe(true);
      expect(await ledger.counters('acme')).toMatchObject([
        { key: counter!.key, organization: 'acme', limit: 700, spent: 0, held: 200, requests: 0, tokens: 0 },
      ]);
      expect((await ledger.reserve(request('c', { nusd: 500 }))).outcome).toBe('held');
      await settle('b', 150, 3);
      expect(await ledger.counters('acme')).toMatchObject([{ spent: 150, held: 500, requests: 1, tokens: 3 }]);
      expect((await entriesOf(ledger)).map(({ id, reset }) => [id, reset])).toEqual([
        ['a', undefined],
        [`reset:${counter!.key}`, true],
        ['b', undefined],
      ]);
      expect(await ledger.reconcile('acme', { repair: false })).toEqual([]);
      expect(await ledger.reset('acme', 'budget:team:nobody:day:2026-11-21')).toBe(false);
    });

    describe('rolling windows', () => {
      const second = budget({ window: 'rolling', rolling_ms: 2_000, limit: 100 });
      const spend = async (id: string, nusd: number, over = {}) => {
        const reserved = await ledger.reserve(request(id, { nusd, tokens: nusd }, { budgets: [second], ...over }));
        if (reserved.outcome === 'held') await settle(id, nusd, nusd);
        return reserved;
      };

      test('what was spent ages out, no sooner than the window is long, and the last of it when the answer says', async () => {
        await within(2_600, async () => {
          expect((await spend('a', 60)).outcome).toBe('held');
          await under.pass(1_000);
          expect((await spend('b', 40)).outcome).toBe('held');
          const refusal = refusalOf(await spend('c', 1));
          expect(refusal).toMatchObject({ kind: 'budget', budget: second, spent: 100, held: 0, asked: 1 });
          if (refusal.kind !== 'budget') return;
          const now = await under.now();
          expect(refusal.resets_at_ms - now).toBeGreaterThan(1_500);
          expect(refusal.resets_at_ms - now).toBeLessThanOrEqual(2_100);
          // By the clock the window turns on, whatever the caller's own says.
          expect(refusal.resets_in_ms - (refusal.resets_at_ms - now)).toBeGreaterThanOrEqual(0);
          expect(refusal.resets_in_ms).toBeLessThanOrEqual(2_100);
          await under.pass(1_200);
          expect((await ledger.counters('acme'))[0]).toMatchObject({ spent: 40, requests: 1, tokens: 40 });
        });
        expect((await spend('d', 60)).outcome).toBe('held');
        expect(await ledger.reconcile('acme', { repair: false })).toEqual([]);
        await under.pass(2_200);
        expect(await state(second)).toEqual({ spent: 0, held: 0 });
        expect(await ledger.reconcile('acme', { repair: false })).toEqual([]);
      });

      test('has one counter, named by its length; tokens and requests roll as well', async () => {
        const day = { window: 'rolling', rolling_ms: 86_400_000 } as const;
        const all = [
          budget(day),
          budget({ ...day, unit: 'tokens', limit: 50 }),
          budget({ ...day, unit: 'requests', limit: 2 }),
        ];
        for (const id of ['a', 'b']) {
          await ledger.reserve(request(id, { nusd: 5, tokens: 20 }, { budgets: all }));
          await settle(id, 4, 10);
        }
        expect(refusalOf(await ledger.reserve(request('c', {}, { budgets: all })))).toMatchObject({ budget: all[2] });
        const sums = Object.fromEntries((await ledger.counters('acme')).map(({ key, spent }) => [key, spent]));
        expect(sums).toEqual({
          'budget:team:research:rolling:86400s': 8,
          'budget:team:research:rolling:86400s:tokens': 20,
          'budget:team:research:rolling:86400s:requests': 2,
        });
      });

      test('holds do not age; what is settled late counts from when it was settled', async () => {
        await within(2_300 + 1_900, async () => {
          await ledger.reserve(request('a', { nusd: 90 }, { budgets: [second] }));
          await under.pass(2_300);
          expect(await state(second)).toEqual({ spent: 0, held: 90 });
          await settle('a', 70);
          expect(await state(second)).toEqual({ spent: 70, held: 0 });
          await under.pass(1_500);
          expect(await state(second)).toEqual({ spent: 70, held: 0 });
        });
        await under.pass(700);
        expect(await state(second)).toEqual({ spent: 0, held: 0 });
      });

      test('an estimate that has aged out is not taken back from what was spent since', async () => {
        await within(2_200 + 1_900, async () => {
          await ledger.reserve(request('a', { nusd: 50, tokens: 5 }, { budgets: [second], lease_ms: 50 }));
          await under.pass(100);
          await ledger.reap();
          await under.pass(2_100);
          await spend('b', 30);
          await settle('a', 10, 1);
          expect(await state(second)).toEqual({ spent: 30, held: 0 });
          expect(await ledger.reconcile('acme', { repair: false })).toEqual([]);
          const [counter] = await ledger.counters('acme');
          await ledger.reset('acme', counter!.key);
          expect(await state(second)).toEqual({ spent: 0, held: 0 });
          await spend('c', 20);
          expect(await ledger.counters('acme')).toMatchObject([{ spent: 20, requests: 1, tokens: 20 }]);
          expect(await ledger.reconcile('acme', { repair: false })).toEqual([]);
        });
      });

      test('are whole seconds', async () => {
        for (const rolling_ms of [undefined, 0, 1_500, -1_000, 4e10]) {
          const wrong = { ...second, rolling_ms: rolling_ms as number };
          await expect(ledger.reserve(request('a', {}, { budgets: [wrong] }))).rejects.toThrow(TypeError);
        }
      });
    });

    describe('input, output and labels', () => {
      test('input and output are limited apart, reserved from the estimate and corrected by what was', async () => {
        const of = (unit: Rate['unit'], limit: number) => rate({ unit, limit });
        const rates = [of('tokens', 1_000), of('input_tokens', 100), of('output_tokens', 200)];
        await ledger.reserve(request('a', { tokens: 150, input: 60 }, { budgets: [], rates }));
        expect(await Promise.all(rates.map(used))).toEqual([150, 60, 90]);
        const more = { tokens: 41, input: 41 };
        expect(refusalOf(await ledger.reserve(request('b', more, { budgets: [], rates })))).toMatchObject({
          rate: rates[1],
          used: 60,
          asked: 41,
        });
        await amend('a', { tokens: 250, input: 60 }, [], rates);
        expect(await Promise.all(rates.map(used))).toEqual([250, 60, 190]);
        await ledger.settle({
          id: 'a',
          organization: 'acme',
          amount: { nusd: 0, tokens: 100, input: 30 },
          estimated: false,
        });
        expect(await Promise.all(rates.map(used))).toEqual([100, 30, 70]);
        const wrong = { nusd: 0, tokens: 1, input: 2 };
        await expect(ledger.reserve(request('c', wrong))).rejects.toThrow(TypeError);
      });

      test('a call that grew in a later slot of the window gives back of each slot what it counted there', async () => {
        const slow = rate({ unit: 'tokens', limit: 1_000, window_ms: 6_000 });
        const slot_ms = 100;
        await within(4_000, async () => {
          const grow = async (id: string) => {
            await ledger.reserve(request(id, { tokens: 150 }, { budgets: [], rates: [slow] }));
            await under.pass(slot_ms);
            await amend(id, { tokens: 250 }, [], [slow]);
          };
          await grow('a');
          await settle('a', 0, 20);
          expect(await used(slow)).toBe(20);
          await grow('b');
          await under.pass(slot_ms);
          await settle('b', 0, 120);
          expect(await used(slow)).toBe(140);
          await grow('c');
          await ledger.release('c', 'acme');
          expect(await used(slow)).toBe(140);
        });
      });

      test('a call that held nothing of a rate counts there what it used', async () => {
        const output = rate({ unit: 'output_tokens', limit: 1_000 });
        await within(20_000, async () => {
          for (const [id, tokens] of [
            ['a', 25],
            ['b', 15],
          ] as const) {
            const asked = { tokens: 10, input: 10 };
            await ledger.reserve(request(id, asked, { budgets: [], rates: [output] }));
            const amount = { nusd: 0, tokens, input: 10 };
            await ledger.settle({ id, organization: 'acme', amount, estimated: false });
          }
          expect(await used(output)).toBe(20);
        });
      });

      test('entries say who and what a call was for; the settlement knows better than the hold', async () => {
        const labels = { team: 'research', user: 'jane & joe=2', model: 'gpt-4o', tags: 'a,b' };
        const tag = budget({ scope: { kind: 'tag', id: 'a' } });
        await ledger.reserve(request('a', { nusd: 9, tokens: 9, input: 4 }, { budgets: [tag], labels }));
        const amount = { nusd: 7, tokens: 8, input: 3 };
        const over = { model: 'gpt-4o-mini', provider: 'öpenai ' };
        await ledger.settle({ id: 'a', organization: 'acme', amount, estimated: false, labels: over });
        await ledger.reserve(request('b', { nusd: 1 }, { budgets: [tag], labels, lease_ms: 20 }));
        await under.pass(60);
        await ledger.reap();
        await ledger.reserve(request('c', { nusd: 1 }, { budgets: [tag] }));
        await settle('c', 1);
        const all = await entriesOf(ledger);
        expect(all.map((one) => one.labels)).toEqual([{ ...labels, ...over }, labels, undefined]);
        expect(all[0]!.amount).toEqual(amount);
        expect(all[0]!.budgets[0]!.key).toMatch(/^budget:tag:a:day:/);
        const long = { note: 'x'.repeat(5_000) };
        await expect(ledger.reserve(request('d', {}, { labels: long }))).rejects.toThrow(RangeError);
      });
    });

    test('an estimate of before a reset is not taken back from what was spent since', async () => {
      await ledger.reserve(request('a', { nusd: 100, tokens: 10 }, { lease_ms: 50 }));
      await ledger.reserve(request('b', { nusd: 100, tokens: 10 }, { lease_ms: 50 }));
      await under.pass(100);
      await ledger.reap();
      const [counter] = await ledger.counters('acme');
      await ledger.reset('acme', counter!.key);
      await ledger.reserve(request('c', { nusd: 40, tokens: 4 }));
      await settle('c', 40, 4);
      await settle('a', 130, 12);
      expect(await ledger.counters('acme')).toMatchObject([{ spent: 70, tokens: 6, requests: 1 }]);
      await ledger.release('b', 'acme');
      expect(await ledger.counters('acme')).toMatchObject([{ spent: 70, tokens: 6, requests: 1 }]);
      expect(await ledger.reconcile('acme', { repair: false })).toEqual([]);
    });

    describe('settle and release', () => {
      test('a posted settlement is counted once, without being waited for', async () => {
        await ledger.reserve(request('a', { nusd: 100 }));
        await ledger.post({ id: 'a', organization: 'acme', amount: { nusd: 70, tokens: 2 }, estimated: false });
        await expect.poll(() => state()).toEqual({ spent: 70, held: 0 });
        await ledger.post({ id: 'a', organization: 'acme', amount: { nusd: 70, tokens: 2 }, estimated: false });
        expect((await settle('a', 70)).outcome).toBe('repeated');
        expect(await ledger.counters('acme')).toMatchObject([{ spent: 70, held: 0, requests: 1, tokens: 2 }]);
        await ledger.post({ id: 'nobody', organization: 'acme', amount: { nusd: 5, tokens: 0 }, estimated: false });
        expect((await settle('nobody', 5)).outcome).toBe('unknown');
        const wrong = { id: 'a', organization: 'acme', amount: { nusd: -1, tokens: 0 }, estimated: false };
        await expect(ledger.post(wrong)).rejects.toThrow(TypeError);
      });

      test('the real cost replaces the hold, less, zero or more: debt is not forgiven', async () => {
        for (const [id, cost] of [
          ['a', 40],
          ['b', 0],
          ['c', 900],
        ] as const) {
          await ledger.reserve(request(id, { nusd: 100, tokens: 10 }));
          expect(await settle(id, cost, cost)).toMatchObject({
            outcome: 'settled',
            budgets: [{ held: 0, budget: budget() }],
          });
        }
        expect(await state()).toEqual({ spent: 940, held: 0 });
        expect(refusalOf(await ledger.reserve(request('d', { nusd: 1 })))).toMatchObject({ spent: 940, held: 0 });
        expect(await ledger.counters('acme')).toMatchObject([
          { spent: 940, held: 0, requests: 3, tokens: 940, limit: 700 },
        ]);
      });

      test('settling twice is settling once, however it arrives', async () => {
        await ledger.reserve(request('a', { nusd: 100 }));
        const outcomes = await Promise.all([settle('a', 70), settle('a', 70), settle('a', 5)]);
        expect(outcomes.map((one) => one.outcome).sort()).toEqual(['repeated', 'repeated', 'settled']);
        expect(await state()).toEqual({ spent: 70, held: 0 });
        expect(await entriesOf(ledger)).toHaveLength(1);
      });

      test('an unknown or released id is unknown and costs nothing', async () => {
        expect(await settle('nobody', 50)).toEqual({ outcome: 'unknown', budgets: [] });
        await ledger.reserve(request('a', { nusd: 100 }));
        await ledger.release('a', 'acme');
        expect((await settle('a', 50)).outcome).toBe('unknown');
        expect(await state()).toEqual({ spent: 0, held: 0 });
      });

      test('release gives everything back, once, and nothing after a settlement', async () => {
        const count = budget({ unit: 'requests', limit: 1 });
        const rates = [
          rate(),
          rate({ unit: 'tokens', limit: 100 }),
          rate({ unit: 'concurrent', limit: 1, window_ms: 0 }),
        ];
        const whole = { budgets: [budget(), count], rates };
        await ledger.reserve(request('a', { nusd: 100, tokens: 90 }, whole));
        await ledger.release('a', 'acme');
        await ledger.release('a', 'acme');
        expect(await state()).toEqual({ spent: 0, held: 0 });
        expect(await Promise.all(rates.map(used))).toEqual([0, 0, 0]);
        expect((await ledger.reserve(request('b', { nusd: 100, tokens: 90 }, whole))).outcome).toBe('held');
        await settle('b', 60, 50);
        await ledger.release('b', 'acme');
        expect(await state()).toEqual({ spent: 60, held: 0 });
        expect(await state(count)).toEqual({ spent: 1, held: 0 });
      });

      test('is counted in the window of the moment of reserving', async () => {
        const short = budget({ window: 'minute' });
        const before = await under.now();
        const first = await ledger.reserve(request('a', { nusd: 10 }, { budgets: [short] }));
        const [counter] = await ledger.counters('acme');
        if (first.outcome !== 'held') throw new Error('refused');
        const end = first.budgets[0]!.resets_at_ms;
        expect(end).toBeGreaterThan(before);
        const settled = await settle('a', 10);
        expect(settled.budgets[0]).toMatchObject({ resets_at_ms: end, spent: 10 });
        expect(counter!.key).toMatch(/^budget:team:research:minute:\d{4}-\d\d-\d\dT\d{4}$/);
      });

      test('an entry is written in the same step, with the counters it was added to', async () => {
        const tokens = budget({ unit: 'tokens', window: 'total', limit: 1_000, timeZone: 'Europe/Berlin' });
        await ledger.reserve(request('a', { nusd: 100, tokens: 10 }, { budgets: [budget(), tokens] }));
        const before = await under.now();
        await settle('a', 60, 7, true);
        const after = await under.now();
        const [entry] = await entriesOf(ledger);
        const key = (await ledger.counters('acme')).map((one) => one.key).find((one) => one.includes(':day:'));
        expect(entry).toMatchObject({
          id: 'a',
          organization: 'acme',
          amount: { nusd: 60, tokens: 7 },
          estimated: true,
          provisional: false,
        });
        expect(entry!.budgets).toEqual([
          { key, unit: 'nusd', amount: 60 },
          { key: 'budget:team:research:total:tokens', unit: 'tokens', amount: 7 },
        ]);
        // Who settles from what it leased goes by its own idea of the ledger's clock.
        expect(entry!.at_ms).toBeGreaterThan(before - 5_000);
        expect(entry!.at_ms).toBeLessThan(after + 5_000);
      });
    });

    describe('leases', () => {
      const abandon = async (id = 'a') => {
        const tokens = rate({ unit: 'tokens', limit: 1_000 });
        await ledger.reserve(request(id, { nusd: 100, tokens: 10 }, { lease_ms: 200, rates: [tokens] }));
        await under.pass(250);
        await ledger.reap();
      };

      test('what an owner abandoned is settled at the estimate, provisionally', async () => {
        await abandon();
        expect(await state()).toEqual({ spent: 100, held: 0 });
        expect(await ledger.holds('acme')).toEqual([]);
        expect(await entriesOf(ledger)).toMatchObject([
          { id: 'a', provisional: true, estimated: true, amount: { nusd: 100 } },
        ]);
        expect(await ledger.reap()).toBe(0);
      });

      test('a live lease is left alone, and a renewed one lives', async () => {
        await within(400, async () => {
          await ledger.reserve(request('a', { nusd: 100 }, { lease_ms: 400 }));
          await under.pass(200);
          await amend('a', { nusd: 100 }, [], [], 60_000);
        });
        await under.pass(300);
        expect(await ledger.reap()).toBe(0);
        expect(await state()).toEqual({ spent: 0, held: 100 });
      });

      test("the owner's real settlement replaces the estimate once", async () => {
        await abandon();
        expect((await settle('a', 30, 4)).outcome).toBe('settled');
        expect((await settle('a', 30, 4)).outcome).toBe('repeated');
        expect(await ledger.counters('acme')).toMatchObject([{ spent: 30, held: 0, requests: 1, tokens: 4 }]);
        expect(await used(rate({ unit: 'tokens', limit: 1_000 }))).toBe(4);
        expect((await entriesOf(ledger)).map((one) => [one.provisional, one.amount.nusd])).toEqual([
          [true, 100],
          [false, 30],
        ]);
        expect(await ledger.reconcile('acme', { repair: false })).toEqual([]);
      });

      test('an owner who was only slow renews: the estimate is held again', async () => {
        await abandon();
        expect(await amend('a', { nusd: 120, tokens: 10 })).toMatchObject({
          outcome: 'held',
          budgets: [{ spent: 0, held: 120 }],
        });
        expect(await ledger.counters('acme')).toMatchObject([{ spent: 0, held: 120, requests: 0, tokens: 0 }]);
        expect(await ledger.reconcile('acme', { repair: false })).toEqual([]);
        await settle('a', 90, 9);
        expect(await ledger.counters('acme')).toMatchObject([{ spent: 90, held: 0, requests: 1, tokens: 9 }]);
        expect(await ledger.reconcile('acme', { repair: false })).toEqual([]);
      });

      test('an owner who spent nothing says so: the estimate is given back', async () => {
        await abandon();
        await ledger.release('a', 'acme');
        expect(await ledger.counters('acme')).toMatchObject([{ spent: 0, held: 0, requests: 0, tokens: 0 }]);
        expect(await ledger.reconcile('acme', { repair: false })).toEqual([]);
      });
    });

    test('counters agree with entries and open holds', async () => {
      const budgets = [
        budget({ limit: 1e9 }),
        budget({ unit: 'tokens', limit: 1e9 }),
        budget({ unit: 'requests', limit: 1e9, window: 'total' }),
      ];
      for (let at = 0; at < 30; at++) {
        await ledger.reserve(request(`c${at}`, { nusd: at * 3, tokens: at }, { budgets: budgets.slice(at % 3) }));
        if (at % 4 === 0) await ledger.release(`c${at}`, 'acme');
        else if (at % 4 !== 1) await settle(`c${at}`, at * 2, at + 1);
      }
      expect(await ledger.reconcile('acme', { repair: false })).toEqual([]);
    });
  });
}
