import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import type { Budget, Ledger, OnLoss, Rate } from '../../src/stores/index.ts';
import { LedgerUnavailable, openSharingLedger } from '../../src/stores/index.ts';
import { budget, rate, refusalOf, request } from '../contracts/ledger.ts';
import { ledgerHouse } from '../support/ledger-house.ts';

const shared = budget({ window: 'total', onLoss: 'local_share' });

const house = ledgerHouse();

async function process(path = house.directory(), onLoss: OnLoss = 'closed'): Promise<Ledger> {
  const options = { url: house.server.url, keyPrefix: 'llm', owner: 'here', deadline_ms: 1_000, onLoss: () => onLoss };
  return house.keep(await openSharingLedger({ ...options, path }));
}

/**
 * So many processes live, and each has told that it does since all of them do: it was answered how many, and the answer to
 * what it asks next comes after that one.
 */
async function allHeard(processes: number): Promise<void> {
  const client = house.server.client();
  const told = async () => {
    const [key = 'none'] = await client.keys('*processes');
    const flat = await client.zrange(key, '0', '-1', 'WITHSCORES');
    return new Map(Array.from({ length: flat.length / 2 }, (_, at) => [flat[at * 2]!, flat[at * 2 + 1]!]));
  };
  const lives = async () => (await told()).size;
  await expect.poll(lives, { interval: 20 }).toBe(processes);
  const before = await told();
  const again = async () => [...(await told())].filter(([owner, until]) => before.get(owner) !== until).length;
  await expect.poll(again, { interval: 20 }).toBe(processes);
}

const reserve = (ledger: Ledger, id: string, nusd: number, budgets: Budget[] = [shared], rates: Rate[] = []) =>
  ledger.reserve(request(id, { nusd, tokens: nusd }, { budgets, rates }));
const settle = (ledger: Ledger, id: string, nusd: number) =>
  ledger.settle({ id, organization: 'acme', amount: { nusd, tokens: nusd }, estimated: false });

/** Calls of 100 that are admitted of so many. */
async function admitted(ledger: Ledger, prefix: string, calls: number, budgets?: Budget[], rates?: Rate[]) {
  const held: string[] = [];
  for (let at = 0; at < calls; at++) {
    const id = `${prefix}${at}`;
    if ((await reserve(ledger, id, 100, budgets, rates)).outcome === 'held') held.push(id);
  }
  return held;
}

async function back(ledger: Ledger): Promise<void> {
  house.server.thaw();
  await expect
    .poll(() =>
      ledger.counters('acme').then(
        () => true,
        () => false,
      ),
    )
    .toBe(true);
}

const spentOf = async (ledger: Ledger) => {
  const [one] = await ledger.counters('acme');
  return { spent: one?.spent, held: one?.held };
};

describe('while Redis is lost, limits that say local_share', () => {
  test('admit what was left when it was last seen, and all of it is told when Redis is back', async () => {
    const ledger = await process();
    await reserve(ledger, 'before', 200);
    await settle(ledger, 'before', 200);
    await reserve(ledger, 'seen', 0);
    house.server.freeze();
    const held = await admitted(ledger, 'lost', 8);
    expect(held).toHaveLength(5);
    const refusal = refusalOf(await reserve(ledger, 'over', 1));
    expect(refusal).toMatchObject({ kind: 'budget', budget: shared, asked: 1, limit: 700, spent: 200, held: 500 });
    for (const id of held.slice(0, 3)) expect((await settle(ledger, id, 60)).outcome).toBe('settled');
    expect((await reserve(ledger, 'again', 120)).outcome).toBe('held');
    expect((await reserve(ledger, 'too-much', 1)).outcome).toBe('refused');
    await back(ledger);
    for (const id of [...held.slice(3), 'again']) await settle(ledger, id, 100);
    await expect.poll(() => spentOf(ledger)).toEqual({ spent: 200 + 180 + 300, held: 0 });
    await ledger.release('seen', 'acme');
    expect(await ledger.reconcile('acme', { repair: false })).toEqual([]);
    expect((await settle(ledger, held[0]!, 60)).outcome).toBe('repeated');
  });

  test('admit no more than was left when a call was refused, which tells of all that had no room', async () => {
    const [ledger, other] = [await process(), await house.watcher()];
    const both = [shared, { ...shared, scope: { kind: 'user' as const, id: 'ann' } }];
    await reserve(ledger, 'seen', 0, both);
    await reserve(other, 'theirs', 600, both);
    expect((await reserve(ledger, 'over', 101, both)).outcome).toBe('refused');
    house.server.freeze();
    expect(await admitted(ledger, 'lost', 2)).toHaveLength(1);
    expect(await admitted(ledger, 'too', 2, both.slice(1))).toHaveLength(1);
    await back(ledger);
    await other.release('theirs', 'acme');
    for (const id of ['seen', 'lost0', 'too0']) await ledger.release(id, 'acme');
    await expect.poll(() => spentOf(ledger)).toEqual({ spent: 0, held: 0 });
  });

  test('let a hold of a running call grow as far as the share goes, and renew it', async () => {
    const ledger = await process();
    await reserve(ledger, 'seen', 0);
    house.server.freeze();
    const grow = (nusd: number, limits: { budgets?: Budget[]; rates?: Rate[] } = {}, lease_ms = 60_000) =>
      ledger.amend({
        id: 'stream',
        organization: 'acme',
        amount: { nusd, tokens: nusd },
        lease_ms,
        budgets: [],
        rates: [],
        ...limits,
      });
    expect((await reserve(ledger, 'stream', 100)).outcome).toBe('held');
    expect((await grow(100)).outcome).toBe('held');
    expect((await grow(600)).outcome).toBe('held');
    expect((await reserve(ledger, 'beside', 101)).outcome).toBe('refused');
    expect(refusalOf(await grow(701))).toMatchObject({ kind: 'budget', budget: shared, asked: 101 });
    // The old hold stands: what is left beside it is what was.
    expect((await reserve(ledger, 'beside', 100)).outcome).toBe('held');
    // A model that joins brings its limits: one that is closed ends it, one that is open holds nothing.
    const joins = (onLoss: OnLoss) => [budget({ scope: { kind: 'model', id: 'other' }, window: 'total', onLoss })];
    await expect(grow(600, { budgets: joins('closed') })).rejects.toThrow(LedgerUnavailable);
    expect((await grow(600, { budgets: joins('open') })).outcome).toBe('held');
    await ledger.post({ id: 'stream', organization: 'acme', amount: { nusd: 450, tokens: 450 }, estimated: false });
    await back(ledger);
    await ledger.release('beside', 'acme');
    await expect.poll(() => spentOf(ledger)).toEqual({ spent: 450, held: 0 });
    await ledger.release('seen', 'acme');
    expect(await ledger.reconcile('acme', { repair: false })).toEqual([]);
  });

  test('admit a part of it where other processes live, each its own', async () => {
    const [one, other] = [await process(), await process()];
    await allHeard(2);
    await reserve(one, 'a', 100);
    await reserve(other, 'b', 100);
    await settle(one, 'a', 100);
    await reserve(one, 'c', 0);
    house.server.freeze();
    const mine = await admitted(one, 'mine', 6);
    const theirs = await admitted(other, 'theirs', 6);
    expect(mine).toHaveLength(2);
    expect(theirs).toHaveLength(2);
    await back(one);
    await back(other);
    for (const id of mine) await settle(one, id, 100);
    for (const id of theirs) await settle(other, id, 100);
    await settle(other, 'b', 100);
    await expect.poll(() => spentOf(one)).toEqual({ spent: 600, held: 0 });
  });

  test('admit their share of a rate in each window, and of calls at once', async () => {
    const [one, other] = [await process(), await process()];
    await allHeard(2);
    const rates = [
      rate({ limit: 5, onLoss: 'local_share' }),
      rate({ limit: 50, unit: 'tokens', onLoss: 'local_share' }),
      rate({ limit: 9, unit: 'concurrent', window_ms: 0, onLoss: 'local_share' }),
    ];
    for (const ledger of [one, other])
      await ledger.reserve(request(`seen${ledger === one}`, {}, { budgets: [], rates }));
    house.server.freeze();
    const call = (id: string, more: Rate[]) => one.reserve(request(id, { tokens: 10 }, { budgets: [], rates: more }));
    expect((await call('a', rates)).outcome).toBe('held');
    expect((await call('b', rates)).outcome).toBe('held');
    expect(refusalOf(await call('c', rates))).toMatchObject({ kind: 'rate', rate: rates[0], remaining: 0 });
    expect(refusalOf(await call('d', [rates[1]!]))).toMatchObject({ kind: 'rate', rate: rates[1] });
    expect((await call('e', [rates[2]!])).outcome).toBe('held');
    expect((await call('f', [rates[2]!])).outcome).toBe('held');
    expect(refusalOf(await call('g', [rates[2]!]))).toMatchObject({ kind: 'rate', rate: rates[2] });
    await back(one);
    const used = async (unit: Rate) => (await one.read('acme', [], [unit])).rates[0]!.used;
    await expect.poll(() => used(rates[0]!)).toBe(4);
    expect(await used(rates[1]!)).toBe(20);
    for (const id of ['a', 'b', 'e', 'f']) await one.release(id, 'acme');
    await expect.poll(() => used(rates[2]!)).toBe(2);
  });

  test('refuse where the counter was never seen', async () => {
    const ledger = await process();
    house.server.freeze();
    expect(refusalOf(await reserve(ledger, 'a', 1))).toMatchObject({ kind: 'budget', asked: 1 });
    const seats = rate({ unit: 'concurrent', window_ms: 0, onLoss: 'local_share' });
    expect(refusalOf(await reserve(ledger, 'b', 0, [], [seats]))).toMatchObject({ kind: 'rate', remaining: 0 });
  });

  test('lose nothing in a crash: what was held and settled meanwhile is in the journal', async () => {
    const first = house.directory();
    const ledger = await process(first);
    await reserve(ledger, 'seen', 100);
    await settle(ledger, 'seen', 100);
    await reserve(ledger, 'again', 0);
    await ledger.release('again', 'acme');
    house.server.freeze();
    const held = await admitted(ledger, 'lost', 3);
    await settle(ledger, held[0]!, 80);
    const copy = house.leftOf(first);
    await house.closeAll();
    house.server.thaw();
    const next = await process(copy);
    await expect.poll(() => spentOf(next)).toEqual({ spent: 180, held: 200 });
    for (const id of held.slice(1)) await settle(next, id, 100);
    await expect.poll(() => spentOf(next)).toEqual({ spent: 380, held: 0 });
    expect(await next.reconcile('acme', { repair: false })).toEqual([]);
  });
});

describe('limits that say different things', () => {
  const open = budget({ scope: { kind: 'user', id: 'u' }, window: 'total', onLoss: 'open' });
  const closed = budget({ scope: { kind: 'key', id: 'k' }, window: 'total', onLoss: 'closed' });
  const silent = budget({ scope: { kind: 'project', id: 'p' }, window: 'total' });
  const soft = budget({ scope: { kind: 'model', id: 'm' }, window: 'total', hard: false, limit: 1 });

  test('must all agree: one that is closed refuses, and open ones go on unheld beside shares', async () => {
    const ledger = await process();
    await ledger.reserve(request('seen', {}, { budgets: [shared, open, closed, silent, soft] }));
    house.server.freeze();
    await expect(reserve(ledger, 'a', 10, [shared, closed])).rejects.toThrow(LedgerUnavailable);
    await expect(reserve(ledger, 'b', 10, [shared, silent])).rejects.toThrow(LedgerUnavailable);
    // Nothing is held under these, which is for the caller to know.
    await expect(reserve(ledger, 'c', 10, [open])).rejects.toThrow(LedgerUnavailable);
    const reserved = await reserve(ledger, 'd', 10, [shared, open, soft]);
    expect(reserved).toMatchObject({ outcome: 'held', budgets: [{ budget: shared }, { budget: soft }] });
    await back(ledger);
    await settle(ledger, 'd', 10);
    await ledger.release('seen', 'acme');
    const spent = async () => Object.fromEntries((await ledger.counters('acme')).map((one) => [one.key, one.spent]));
    await expect.poll(spent).toMatchObject({
      'budget:team:research:total': 10,
      'budget:model:m:total': 10,
      'budget:user:u:total': 0,
    });
  });

  test('the state says it for those that are silent', async () => {
    const ledger = await process(undefined, 'local_share');
    await ledger.reserve(request('seen', {}, { budgets: [silent] }));
    house.server.freeze();
    expect(await admitted(ledger, 'a', 9, [silent])).toHaveLength(7);
  });
});

describe('a Redis that comes and goes', () => {
  test('gives no process a second share of a budget, nor of a rate in its window, and is told each cost once', async () => {
    const [one, other] = [await process(), await process()];
    await allHeard(2);
    const windows = [rate({ limit: 30, window_ms: 3_600_000, onLoss: 'local_share' })];
    const total = budget({ window: 'total', limit: 10_000, onLoss: 'local_share' });
    const quick = { budgets: [total], rates: windows };
    for (const ledger of [one, other]) await ledger.reserve(request(`seen${ledger === one}`, {}, quick));
    const held = new Map<string, Ledger>();
    const admittedLost = { budget: 0 };
    let calls = 0;
    for (let phase = 0; phase < 6; phase += 1) {
      house.server.freeze();
      for (const ledger of [one, other]) {
        // The first is late, and by it the ledger is known to be lost.
        for (let call = 0; call < 40; call += 1) {
          const id = `p${phase}c${calls++}`;
          const reserved = await reserve(ledger, id, 200, [total]);
          if (reserved.outcome !== 'held') break;
          admittedLost.budget += 200;
          held.set(id, ledger);
        }
        for (let call = 0; call < 40; call += 1) {
          const id = `r${phase}c${calls++}`;
          if ((await reserve(ledger, id, 0, [], windows)).outcome !== 'held') break;
          held.set(id, ledger);
        }
      }
      house.server.thaw();
      await sleep(300);
    }
    expect(admittedLost.budget).toBeGreaterThan(0);
    // Two shares of one half each, whatever came between.
    expect(admittedLost.budget).toBeLessThanOrEqual(10_000);
    const ofRate = [...held.keys()].filter((id) => id.startsWith('r'));
    expect(ofRate.length).toBeLessThanOrEqual(30);
    await back(one);
    await back(other);
    for (const [id, ledger] of held) {
      const amount = id.startsWith('p') ? 150 : 0;
      await ledger.settle({ id, organization: 'acme', amount: { nusd: amount, tokens: amount }, estimated: false });
    }
    for (const ledger of [one, other]) await ledger.release(`seen${ledger === one}`, 'acme');
    const spent = 150 * (held.size - ofRate.length);
    await expect.poll(() => spentOf(one)).toEqual({ spent, held: 0 });
    expect(await one.reconcile('acme', { repair: false })).toEqual([]);
  });
});
