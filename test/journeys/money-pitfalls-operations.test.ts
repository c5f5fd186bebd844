import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { type Ledger, openEmbeddedLedger, openRedisLedger } from '../../src/stores/index.ts';
import { request } from '../contracts/ledger.ts';
import { runCli } from '../support/cli-process.ts';
import { testEnv, writeGatewayFiles } from '../support/gateway.ts';
import { type AskedBody, eventually, hi, type MoneyHouse, moneyConfig, startMoney, stores } from '../support/money.ts';
import { type RedisServer, startRedis } from '../support/redis.ts';

const body: AskedBody = { model: 'gpt-4o', max_tokens: 50, messages: hi };
const usage = { input: 40, output: 30 };

let house: MoneyHouse | undefined;
let redis: RedisServer | undefined;
const directories: string[] = [];
const directory = () => {
  directories.push(mkdtempSync(join(tmpdir(), 'llm-policy-operations-')));
  return directories.at(-1)!;
};
afterEach(async () => {
  await house?.close();
  await redis?.stop();
  house = undefined;
  redis = undefined;
  for (const one of directories.splice(0)) rmSync(one, { recursive: true, force: true });
});

test.each(['EVALSHA', 'EVAL'])('a gateway on a Redis without %s does not start (PITFALLS 53)', async (command) => {
  redis = await startRedis({ arguments: ['--rename-command', command, ''] });
  const at = directory();
  const teams = { research: { budgets: [{ window: 'total', limit_usd: 1 }], limits: { requests_per_minute: 5 } } };
  const { config, env } = moneyConfig({ store: 'redis', teams }, at, redis.url);
  const { file } = writeGatewayFiles({ directory: at, openai: 'http://127.0.0.1:9/v1', config });
  const { code, out, err } = await runCli(['serve', '--config', file], { cwd: at, env: { ...testEnv, ...env } });
  expect(code, out + err).toBe(3);
  expect(out + err).toMatch(/Redis.*scripts|scripts.*Redis/s);
});

test('with Redis gone, its queue and all that reconnects, calls that may go on do, and nothing freezes (PITFALLS 54)', async () => {
  const teams = { open: { budgets: [{ window: 'total', limit_usd: 1 }] } };
  house = await startMoney({ store: 'redis', teams, state: { on_loss: 'open' } });
  const { gateway, provider } = house;
  house.says({ usage });
  expect((await house.ask('open', body)).status).toBe(200);
  await house.redis!.kill();
  // Each on its heels: a loop that stands still while somebody connects would hold them all up.
  const began = performance.now();
  let asked = 0;
  for (; performance.now() - began < 3000; asked += 1) {
    const answer = await house.ask('open', { ...body, stream: asked % 2 === 0 }, requestId(asked));
    expect(answer.status).toBe(200);
    expect((await fetch(`${gateway.origin}/health`)).status).toBe(200);
  }
  expect(provider.requests.length).toBe(1 + asked);
  expect(asked).toBeGreaterThan(5);
  await house.redis!.restart();
  // What happened is told to the sinks when the queue is back.
  for (const at of [0, asked - 1]) expect(await recorded(house, `gone-${at}`)).toMatchObject({ held_nusd: 0 });
  await eventually('limits hold again', async () => (await house!.budget('open')).limit > 0);
});

const requestId = (at: number) => ({ headers: { 'x-request-id': `gone-${at}` } });

async function recorded(at: MoneyHouse, id: string) {
  let found: Awaited<ReturnType<MoneyHouse['records']>>[number] | undefined;
  const look = async () => {
    found = (await at.records()).find((record) => record.request_id === id);
    return found !== undefined;
  };
  await eventually(`a record of ${id}`, look);
  return found;
}

describe.each(stores)('a ledger with a long history, %s', (store) => {
  /** As after months: entries of many calls. */
  const calls = store === 'redis' ? 10_000 : 30_000;
  async function filled(ledger: Ledger): Promise<void> {
    for (let at = 0; at < calls; at += 500) {
      const ids = Array.from({ length: 500 }, (_, more) => `old-${at + more}`);
      await Promise.all(ids.map((id) => ledger.reserve(request(id, { nusd: 10 }, { budgets: [], rates: [] }))));
      const settlement = { organization: 'acme', amount: { nusd: 10, tokens: 3 }, estimated: false };
      await Promise.all(
        ids.map((id, more) => ledger.post({ id, ...settlement, labels: { team: `t${more % 50}`, model: 'm' } })),
      );
    }
    // Not all of it in one turn of the event loop, however fast that is.
    expect(await turnsWhileRead(ledger)).toBeGreaterThan(2);
    await ledger.close();
  }

  /** How often others get their turn from the first entry that is read to the last. */
  async function turnsWhileRead(ledger: Ledger): Promise<number> {
    let turns = -1;
    for await (const _ of ledger.entries('acme')) if (turns < 0) count();
    const counted = turns;
    turns = Number.POSITIVE_INFINITY;
    return counted;
    function count(): void {
      turns += 1;
      if (turns < 1e6) setImmediate(count);
    }
  }

  test('is reported on while calls pass and health is told, none waiting for it (PITFALLS 55)', async () => {
    const at = directory();
    const teams = { research: { budgets: [{ window: 'total', limit_usd: 1 }] } };
    house = await startMoney({ store, teams, directory: at });
    if (store === 'embedded') {
      // The ledger is its process's own: its history is written before it opens.
      await house.close(true);
      await filled(await openEmbeddedLedger({ path: join(at, 'data', 'ledger') }));
      house = await startMoney({ store, teams, directory: at });
    } else {
      const options = { url: house.redis!.url, keyPrefix: 'llm', owner: 'history', deadline_ms: 20_000 };
      await filled(await openRedisLedger(options));
    }
    const { gateway, says, ask, admin } = house;
    says({ usage });
    let during = 0;
    let over = false;
    /** Three at once, again until a call has passed while they were made: how fast they are is not asked here. */
    const reports = (async () => {
      for (let round = 0; round < 20 && during === 0; round += 1) {
        const drift = admin('/admin/v1/budgets/reconcile', 'POST');
        const each = [1, 2, 3].map(async () => {
          const { spending } = await admin<{ spending: { requests: number }[] }>(
            '/admin/v1/reports/spending?by=team,model',
          );
          expect(spending.reduce((sum, { requests }) => sum + requests, 0)).toBeGreaterThanOrEqual(calls);
        });
        await Promise.all(each);
        expect(await drift).toMatchObject({ drift: [] });
      }
    })().finally(() => (over = true));
    while (!over) {
      const answer = await ask('research', body);
      expect(answer.status).toBe(200);
      expect((await fetch(`${gateway.origin}/health`)).status).toBe(200);
      if (!over) during += 1;
    }
    await reports;
    expect(during).toBeGreaterThan(0);
  });
});
