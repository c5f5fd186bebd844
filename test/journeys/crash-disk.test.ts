import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { verifyTrail } from '../../src/observe/index.ts';
import {
  type Answered,
  type AskedBody,
  costOf,
  eventually,
  hi,
  type MoneyHouse,
  startMoney,
  stores,
} from '../support/money.ts';
import { mountSmallDisk, noMount, type SmallDisk } from '../support/small-disk.ts';
import { wellFormed } from '../support/well-formed.ts';

const plain: AskedBody = { model: 'gpt-4o', max_tokens: 50, messages: hi };
const stream: AskedBody = { ...plain, stream: true };
const usage = { input: 40, output: 30 };
const unavailable = /^(audit|state)_unavailable$/;
const cases = [
  ...stores.map((store) => ({ store, below: 'data/spool', what: 'spool' })),
  { store: 'embedded', below: 'data', what: 'whole data directory' } as const,
];

if (noMount !== undefined) test.skip(`a full disk is not tried: ${noMount}`, () => {});

describe.skipIf(noMount !== undefined).each(cases)(
  'a full disk below the $what, the $store store',
  ({ store, below }) => {
    const asked: string[] = [];
    let directory: string;
    let disk: SmallDisk;
    let house: MoneyHouse;
    beforeAll(async () => {
      directory = mkdtempSync(join(tmpdir(), 'llm-policy-disk-'));
      disk = mountSmallDisk(join(directory, below), 16);
      house = await startMoney({
        store,
        directory,
        teams: { research: { budgets: [{ window: 'total', limit_usd: 1 }] } },
      });
    });
    afterAll(async () => {
      await house?.close(true);
      disk?.unmount();
      rmSync(directory, { recursive: true, force: true });
    });

    const ask = (body: AskedBody): Promise<Answered> => {
      asked.push(`${store}-${asked.length}`);
      return house.ask('research', body, { headers: { 'x-request-id': asked.at(-1)! } });
    };

    test('new calls are refused, a live stream ends well, and with room again calls pass: each has one record', async () => {
      let open: () => void = () => {};
      const gate = new Promise<void>((resolve) => {
        open = resolve;
      });
      house.says(async ({ body }) => {
        if (body.stream === true) await gate;
        return { usage };
      });
      expect((await ask(plain)).status).toBe(200);
      const live = [ask(stream), ask(stream), ask(stream)];
      for (const one of live) one.catch(() => {});
      await eventually('the streams are live', () => house.provider.requests.length === 4);

      disk.fill();
      let refused: Answered | undefined;
      await eventually('the disk is felt', async () => {
        disk.fill();
        refused = await ask(plain);
        return refused.status === 503;
      });
      expect(refused!.error.code).toMatch(below === 'data/spool' ? /^audit_unavailable$/ : unavailable);
      const reached = house.provider.requests.length;
      for (const answer of await Promise.all(
        Array.from({ length: 10 }, (_, at) => ask(at % 2 === 0 ? plain : stream)),
      )) {
        expect(answer.status).toBe(503);
        expect(answer.error.code).toMatch(unavailable);
        expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0);
      }
      expect(house.provider.requests.length).toBe(reached);
      const ready = await fetch(`${house.gateway.origin}/ready`);
      expect(ready.status).toBe(503);

      open();
      for (const answer of await Promise.all(live)) {
        expect(answer.status).toBe(200);
        expect(wellFormed('openai-chat', Buffer.from(answer.text))).toBe('end');
      }

      disk.free();
      await eventually('calls pass again', async () => (await ask(plain)).status === 200);
      await eventually('it is ready again', async () => (await fetch(`${house.gateway.origin}/ready`)).status === 200);
      const { spent, held } = await house.atRest('research');
      expect(held).toBe(0);
      expect(spent).toBe(house.provider.requests.length * costOf(usage));
      expect(await house.admin('/admin/v1/budgets/reconcile', 'POST')).toEqual({ drift: [], repaired: false });

      await eventually('every record is in the sink', async () => (await house.records()).length >= asked.length);
      const records = await house.records();
      expect(records.map(({ request_id }) => request_id).sort()).toEqual([...asked].sort());
      expect(records.filter(({ ending }) => ending === 'complete').length).toBe(house.provider.requests.length);
      expect(records.reduce((sum, { cost_nusd }) => sum + cost_nusd, 0)).toBe(spent);
      const report = await verifyTrail(join(directory, 'data', 'audit'), join(directory, 'data', 'spool'));
      expect(report).toMatchObject({ ok: true, records: asked.length });
      expect(house.provider.violations).toEqual([]);
    });
  },
);
