import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type AuditRecord, verifyTrail } from '../../src/observe/index.ts';
import { type FakeProvider, type FakeReply, startFakeProvider } from '../support/fake-provider.ts';
import { type GatewayProcess, type ProcessOptions, startGatewayProcess } from '../support/gateway-process.ts';
import { type AskedBody, costOf, eventually, heldBy, hi, type Standing, stores } from '../support/money.ts';
import { type RedisServer, startRedis } from '../support/redis.ts';

const lease_ms = 1000;
const plain: AskedBody = { model: 'gpt-4o', max_tokens: 50, messages: hi };
const stream: AskedBody = { ...plain, stream: true };
const growing: AskedBody = { model: 'gpt-4o', stream: true, messages: hi };
const anthropic: AskedBody = { ...stream, model: 'claude-sonnet-4-5' };
const usage = { input: 40, output: 30 };
const words = Array.from({ length: 60 }, () => 'words ');

/** What is under way when the process is killed, and what the provider does with it. */
const inFlight: Readonly<Record<string, { body: AskedBody; says: FakeReply }>> = {
  'stream-endless': { body: stream, says: { text: 'On and on.', endless: true, pace_ms: 5 } },
  'stream-stalled': { body: stream, says: { deltas: words, stall: 'middle' } },
  'stream-growing': { body: growing, says: { deltas: words, stall: 'middle' } },
  'stream-anthropic': { body: anthropic, says: { deltas: words, stall: 'middle' } },
  'plain-asked': { body: plain, says: { stall: 'head' } },
  'plain-answering': { body: plain, says: { stall: 'first_frame' } },
};

/** Tokens the growing stream holds when the provider has stalled: 31 words of at most 7 each, doubled, on from 32. */
const grown = 512;
const heldFor = (body: AskedBody) => costOf(body === growing ? heldBy(growing, grown) : heldBy(body));
const heldInAll = Object.values(inFlight).reduce((sum, { body }) => sum + heldFor(body), 0);

describe.each(stores)('kill -9 with calls under way, on the %s store', (store) => {
  // The embedded store is what the killed process itself kept: it is killed again on what it left.
  const kills = store === 'embedded' ? 2 : 1;
  const directory = mkdtempSync(join(tmpdir(), 'llm-policy-crash-'));
  const trail = join(directory, 'data', 'audit');
  const spool = join(directory, 'data', 'spool');
  const asked = new Map<string, AuditRecord['ending']>();
  let provider: FakeProvider;
  let redis: RedisServer | undefined;
  let gateway: GatewayProcess;
  let options: ProcessOptions;
  let records: readonly AuditRecord[];
  let budget: Standing;

  beforeAll(async () => {
    provider = await startFakeProvider({ key: 'upstream-secret-key' });
    if (store === 'redis') redis = await startRedis();
    options = {
      store,
      directory,
      provider: provider.baseUrl,
      ...(redis === undefined ? {} : { redisUrl: redis.url }),
      state: { lease_ms, stream_hold_tokens: 32 },
      teams: { research: { budgets: [{ window: 'total', limit_usd: 1 }], limits: { concurrent: 10 } } },
    };
    gateway = await startGatewayProcess(options);
    for (let round = 1; round <= kills; round += 1) {
      await work(round);
      await gateway.kill();
      await eventually('the provider sees every call end', () =>
        provider.requests.every((one) => one.finished || one.aborted_ms !== undefined),
      );
      gateway = await startGatewayProcess(options);
      await eventually('the leases are over', async () => (await gateway.reservations()) === 0);
    }
    await eventually('every record is in the sink', async () => (await gateway.records()).length >= asked.size);
    budget = await gateway.budget('research');
    records = await gateway.records();
  });
  afterAll(async () => {
    await gateway.stop();
    await provider.close();
    await redis?.stop();
    rmSync(directory, { recursive: true, force: true });
  });

  /** Some calls that end, one way or another, and then some that are under way. */
  async function work(round: number): Promise<void> {
    const says = new Map<string, FakeReply>();
    provider.reply = ({ headers }) => says.get(String(headers['x-request-id'])) ?? { usage };
    const ask = async (name: string, body: AskedBody, ending: AuditRecord['ending'], reply?: FakeReply) => {
      const requestId = `${name}-${round}`;
      asked.set(requestId, ending);
      if (reply !== undefined) says.set(requestId, reply);
      const answer = await gateway.send('research', body, { headers: { 'x-request-id': requestId } });
      if (ending !== 'lost') await answer.text();
      else if (body.stream === true) await answer.body?.getReader().read();
    };
    await ask('plain', plain, 'complete');
    await ask('stream', stream, 'complete');
    await ask('anthropic', anthropic, 'complete');
    await ask('refused', { ...plain, model: 'no-such-model' }, 'denied');
    await ask('failed', plain, 'failed', { status: 500 });
    await ask('cut', stream, 'cut', { deltas: words, die: 'middle' });
    const before = provider.requests.length;
    for (const [name, { body, says: reply }] of Object.entries(inFlight)) {
      ask(name, body, 'lost', reply).catch(() => {});
    }
    await eventually('all are under way', () => provider.requests.length === before + Object.keys(inFlight).length);
    await eventually(
      'every hold is as large as it gets',
      async () => (await gateway.budget('research')).held === heldInAll,
    );
    await eventually(
      'streams have begun',
      () => provider.requests.slice(before).filter((one) => one.frames > 5).length >= 4,
    );
    // What was told in one turn of its loop is on disk by the next.
    await gateway.reservations();
  }

  test('every exchange has exactly one record, and those under way say lost', () => {
    const endings = new Map(records.map(({ request_id, ending }) => [request_id, ending]));
    expect(Object.fromEntries([...endings].sort())).toEqual(Object.fromEntries([...asked].sort()));
    expect(records.length).toBe(asked.size);
    expect(new Set(records.map(({ exchange }) => exchange)).size).toBe(asked.size);
  });

  test('a lost one says who asked what of whom, and costs what was held for it', () => {
    const lost = records.filter(({ ending }) => ending === 'lost');
    expect(lost.length).toBe(kills * Object.keys(inFlight).length);
    for (const record of lost) {
      expect(record).toMatchObject({ caller: { organization: 'acme', team: 'research' }, cost_estimated: true });
      expect(record.cost_nusd).toBe(record.held_nusd);
      expect(record.prices).toMatch(/^[0-9a-f]{16}$/);
      const { body } = inFlight[record.request_id.replace(/-\d$/, '')]!;
      expect([record.model_asked, record.streamed]).toEqual([body.model, body.stream === true]);
      expect(record.held_nusd).toBe(heldFor(body));
    }
  });

  test('nothing is held, no seat is taken, and what is spent is what the records say (PITFALLS 9)', async () => {
    expect(budget.held).toBe(0);
    expect(await gateway.limits('research')).toMatchObject([{ unit: 'concurrent', used: 0 }]);
    expect(budget.spent).toBe(records.reduce((sum, { cost_nusd }) => sum + cost_nusd, 0));
  });

  test('the counters agree with their entries', async () => {
    expect(await gateway.admin('/admin/v1/budgets/reconcile', 'POST')).toEqual({ drift: [], repaired: false });
  });

  test('the trail verifies, and any byte of it that is flipped shows', async () => {
    const report = await verifyTrail(trail, spool);
    expect(report).toMatchObject({ ok: true, records: asked.size, problems: [] });
    const [name = ''] = readdirSync(trail).filter((one) => one.startsWith('audit-'));
    const file = join(trail, name);
    const bytes = readFileSync(file);
    for (let sample = 0; sample < 50; sample += 1) {
      const at = Math.floor(((sample + 0.5) / 50) * bytes.length);
      const changed = Buffer.from(bytes);
      changed[at] = bytes[at]! ^ 1;
      writeFileSync(file, changed);
      const { ok, problems } = await verifyTrail(trail, spool);
      expect({ at, ok, found: problems.length > 0 }).toEqual({ at, ok: false, found: true });
    }
    writeFileSync(file, bytes);
    expect((await verifyTrail(trail, spool)).ok).toBe(true);
  });

  test('calls go on as before', async () => {
    provider.reply = () => ({ usage });
    expect((await gateway.ask('research', stream)).status).toBe(200);
    const { spent } = await gateway.budget('research');
    expect(spent - budget.spent).toBe(costOf(usage));
    expect(provider.violations).toEqual([]);
  });
});
