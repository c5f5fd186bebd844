import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { CallerRate } from '../../src/callers/index.ts';
import { Failure } from '../../src/exchange/index.ts';
import { Waiting } from '../../src/pipeline/waiting.ts';
import { Abort } from '../../src/providers/index.ts';
import { type EmbeddedLedger, openEmbeddedLedger } from '../../src/stores/index.ts';

let directory: string;
let ledger: EmbeddedLedger;
beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'waiting-'));
  ledger = await openEmbeddedLedger({ path: join(directory, 'ledger') });
});
afterAll(async () => {
  await ledger.close();
  rmSync(directory, { recursive: true, force: true });
});

let calls = 0;
let places = 0;

/** A place with so many seats, a line before it, and who was let in. */
function place(
  seats: number,
  { queue_ms = 60_000, max = 4096, unit = 'concurrent' as CallerRate['unit'], also = [] as CallerRate[] } = {},
) {
  const organization = `place-${places++}`;
  const window_ms = unit === 'concurrent' ? 0 : 60_000;
  const seat: CallerRate = { scope: { kind: 'team', id: 't' }, unit, limit: seats, window_ms, queue_ms };
  let limits = { budgets: [], rates: [seat, ...also] };
  const waiting = new Waiting(() => performance.now(), max);
  const served: string[] = [];
  return {
    waiting,
    served,
    /** Waits for a seat and gives its name back for `leave`; or the refusal. */
    async enter(caller: string, name = caller, abort = new Abort(), deadline = Number.POSITIVE_INFINITY) {
      const id = `call-${calls++}`;
      const pinned = limits;
      const amount = { nusd: 0, tokens: 0 };
      const reserved = await waiting.take({ organization, caller, limits: pinned, amount, abort, deadline }, () =>
        ledger.reserve({
          id,
          organization,
          amount,
          ...pinned,
          lease_ms: 60_000,
          owner: 'test',
        }),
      );
      if (reserved.outcome === 'refused') return reserved.refusal;
      served.push(name);
      return id;
    },
    /** For who comes from now on. */
    limit(seats: number) {
      limits = { ...limits, rates: [{ ...seat, limit: seats }] };
    },
    async leave(id: unknown) {
      await ledger.settle({ id: String(id), organization, amount: { nusd: 0, tokens: 0 }, estimated: false });
      waiting.freed(organization, limits);
    },
  };
}

const turn = () => new Promise((resolve) => setTimeout(resolve, 0));
const until = async (is: () => boolean) => {
  while (!is()) await turn();
};

describe('a line', () => {
  it('lets a caller with one call in before the second of a caller with a hundred', async () => {
    const { enter, leave, served, waiting } = place(1);
    const first = await enter('busy', 'busy 0');
    const busy = Array.from({ length: 100 }, (_, index) => enter('busy', `busy ${index + 1}`).then(leave));
    while (waiting.size < 100) await turn();
    const single = enter('single').then(leave);
    await leave(first);
    await single;
    expect(served.slice(0, 3)).toEqual(['busy 0', 'busy 1', 'single']);
    await Promise.all(busy);
    expect(served.slice(3)).toEqual(Array.from({ length: 99 }, (_, index) => `busy ${index + 2}`));
  });

  it('lets nobody in twice while another waits, and each caller in its own order', async () => {
    const arrivals = fc.array(fc.constantFrom('a', 'b', 'c', 'd'), { minLength: 1, maxLength: 40 });
    await fc.assert(
      fc.asyncProperty(arrivals, fc.integer({ min: 1, max: 3 }), async (callers, seats) => {
        const { enter, leave, served, waiting } = place(seats);
        const inside = await Promise.all(Array.from({ length: seats }, (_, index) => enter('early', `early ${index}`)));
        const numbers = new Map<string, number>();
        const done = callers.map((caller) => {
          const number = numbers.get(caller) ?? 0;
          numbers.set(caller, number + 1);
          return enter(caller, `${caller} ${number}`).then(leave);
        });
        while (waiting.size < callers.length) await turn();
        await Promise.all(inside.map(leave));
        await Promise.all(done);
        expect(waiting.size).toBe(0);
        const order = served.slice(seats).map((name) => name.split(' '));
        const left = new Map(numbers);
        const since = new Map<string, Set<string>>();
        const next = new Map<string, number>();
        for (const [caller = '', number] of order) {
          expect(Number(number), 'its own order').toBe(next.get(caller) ?? 0);
          next.set(caller, Number(number) + 1);
          left.set(caller, (left.get(caller) ?? 0) - 1);
          for (const [other, count] of left) {
            if (other === caller || count === 0) continue;
            const seen = since.get(other) ?? new Set();
            expect(seen.has(caller), `${caller} twice while ${other} waits`).toBe(false);
            since.set(other, seen.add(caller));
          }
          since.set(caller, new Set());
        }
        expect(order.length).toBe(callers.length);
      }),
      { numRuns: 60 },
    );
  });

  it('ends with the refusal when the time is up, and with the exchange’s own deadline before that', async () => {
    const { enter, waiting } = place(1, { queue_ms: 60 });
    await enter('a');
    const began = performance.now();
    expect(await enter('b')).toMatchObject({ kind: 'rate', used: 1, asked: 1 });
    expect(performance.now() - began).toBeGreaterThan(55);
    const patient = place(1);
    await patient.enter('a');
    expect(await patient.enter('b', 'b', new Abort(), performance.now() + 30)).toMatchObject({ kind: 'rate' });
    expect([waiting.size, patient.waiting.size]).toEqual([0, 0]);
  });

  it('tells a call that never was asked about what it would take itself, and when there is room for that', async () => {
    const tokens: CallerRate = {
      scope: { kind: 'team', id: 't' },
      unit: 'tokens',
      limit: 100,
      window_ms: 60_000,
      queue_ms: 60,
    };
    const waiting = new Waiting(() => performance.now());
    const state = { rate: tokens, used: 60, remaining: 40, reset_ms: 50_000 };
    const enter = (size: number, most = size) => {
      const call = { organization: 'o', caller: String(size), limits: { budgets: [], rates: [tokens] } };
      const amount = { nusd: 0, tokens: most };
      return waiting.take({ ...call, amount, abort: new Abort(), deadline: Number.POSITIVE_INFINITY }, async () => ({
        outcome: 'refused',
        refusal: { kind: 'rate', asked: size, retry_after_ms: 10_000, ...state },
      }));
    };
    const first = enter(50, 70);
    await until(() => waiting.size === 1);
    // A bound: what it really takes may fit, so it is not told that it never will.
    const answers = await Promise.all([first, enter(45), enter(90), enter(130)]);
    const told = answers.map((answer) => (answer.outcome === 'refused' ? answer.refusal : undefined));
    expect(told.map((refusal) => refusal?.asked)).toEqual([50, 45, 90, 100]);
    const waits = told.map((refusal) => (refusal?.kind === 'rate' ? Math.ceil(refusal.retry_after_ms / 10_000) : 0));
    expect(waits).toEqual([1, 1, 5, 5]);
  });

  it('is left by a call that is called off, and those behind it move up', async () => {
    const { enter, leave, served, waiting } = place(1);
    const first = await enter('a', 'a 0');
    const abort = new Abort();
    const off = enter('a', 'a 1', abort);
    const next = enter('a', 'a 2');
    while (waiting.size < 2) await turn();
    abort.abort(new Failure('internal_error', 'gone'));
    await expect(off).rejects.toThrow('gone');
    expect(waiting.size).toBe(1);
    await leave(first);
    await next;
    expect(served).toEqual(['a 0', 'a 2']);
  });

  it('is emptied when the process ends, and is not formed again', async () => {
    const { enter, waiting } = place(1);
    await enter('a');
    const waits = [enter('b'), enter('c')].map((one) => one.catch((error: Failure) => error));
    while (waiting.size < 2) await turn();
    waiting.close();
    for (const one of await Promise.all(waits)) {
      expect(one).toMatchObject({ code: 'rate_limit_exceeded', status: 503, detail: { retryAfterSeconds: 1 } });
    }
    expect(await enter('d')).toMatchObject({ kind: 'rate' });
  });

  it('has an end: when it is full the caller with the most calls loses its last one', async () => {
    const { enter, leave, served, waiting } = place(1, { max: 5 });
    const first = await enter('x');
    const many = Array.from({ length: 5 }, (_, index) =>
      enter('many', `many ${index}`).then((got) => ({ index, got })),
    );
    while (waiting.size < 5) await turn();
    const few = enter('few').then(leave);
    const lost = await many[4];
    expect(lost?.got).toMatchObject({ kind: 'rate' });
    expect(await enter('many')).toMatchObject({ kind: 'rate' });
    expect(waiting.size).toBe(5);
    await leave(first);
    const done = await many[0];
    await leave(done?.got);
    await few;
    expect(served.slice(0, 3)).toEqual(['x', 'many 0', 'few']);
    waiting.close();
    await Promise.allSettled(many);
  });

  it('is not formed where no room can come in time', async () => {
    const { enter } = place(1, { unit: 'requests', queue_ms: 5_000 });
    await enter('a');
    const began = performance.now();
    const refusal = await enter('b');
    expect(refusal).toMatchObject({ kind: 'rate' });
    expect(performance.now() - began).toBeLessThan(4_500);
  });

  it('for tokens lasts while running calls may give some back, and no longer where room comes too late then', async () => {
    const tokens: CallerRate = {
      scope: { kind: 'team', id: 't' },
      unit: 'tokens',
      limit: 100,
      window_ms: 60_000,
      queue_ms: 20_000,
    };
    const organization = `place-${places++}`;
    const waiting = new Waiting(() => performance.now());
    const limits = { budgets: [], rates: [tokens] };
    const enter = (id: string, size: number) => {
      const amount = { nusd: 0, tokens: size };
      const call = { organization, caller: id, limits, amount, abort: new Abort(), deadline: Number.POSITIVE_INFINITY };
      return waiting.take(call, () =>
        ledger.reserve({ id, organization, amount, ...limits, lease_ms: 60_000, owner: 'test' }),
      );
    };
    const leave = async (id: string, used: number) => {
      await ledger.settle({ id, organization, amount: { nusd: 0, tokens: used }, estimated: false });
      waiting.freed(organization, limits);
    };
    await enter('tokens-a', 90);
    const fits = enter('tokens-b', 50);
    await until(() => waiting.size === 1);
    const late = enter('tokens-c', 60);
    await until(() => waiting.size === 2);
    await leave('tokens-a', 45);
    expect(await fits).toMatchObject({ outcome: 'held' });
    await leave('tokens-b', 50);
    const began = performance.now();
    expect(await late).toMatchObject({ outcome: 'refused', refusal: { kind: 'rate', asked: 60 } });
    expect(await enter('tokens-d', 6)).toMatchObject({ outcome: 'refused' });
    expect(performance.now() - began).toBeLessThan(10_000);
  });

  it('is not formed where another limit that refuses lets nobody wait', async () => {
    const once: CallerRate = { scope: { kind: 'team', id: 't' }, unit: 'requests', limit: 1, window_ms: 600 };
    const { enter, waiting } = place(1, { also: [once] });
    await enter('a');
    let told: unknown;
    const refused = enter('b').then((answer) => (told = answer));
    await until(() => told !== undefined || waiting.size > 0);
    waiting.close();
    await Promise.allSettled([refused]);
    expect(told).toMatchObject({ kind: 'rate' });
  });

  it('holds up nobody for whom the limit is another by now', async () => {
    const { enter, leave, limit, served, waiting } = place(1);
    const first = await enter('a');
    const second = enter('b');
    await until(() => waiting.size === 1);
    limit(2);
    const raised = enter('c');
    await until(() => served.length === 2 || waiting.size === 2);
    expect([served, waiting.size]).toEqual([['a', 'c'], 1]);
    // Who came under the other one is let in as before.
    await leave(first);
    await leave(await raised);
    await leave(await second);
    expect(served).toEqual(['a', 'c', 'b']);
  });

  it('looks by itself for room that other processes make', async () => {
    const { enter, waiting } = place(1);
    const first = await enter('a');
    const second = enter('b');
    while (waiting.size < 1) await turn();
    // Settled without telling this line.
    await ledger.settle({
      id: String(first),
      organization: `place-${places - 1}`,
      amount: { nusd: 0, tokens: 0 },
      estimated: false,
    });
    expect(await second).toMatch(/^call-/);
  });
});
