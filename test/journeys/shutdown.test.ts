import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { run } from '../cli/world.ts';
import { type ServedGateway, serveCli, startCli } from '../support/cli-process.ts';
import { type FakeProvider, startFakeProvider } from '../support/fake-provider.ts';
import { ref, teamKey, testEnv, writeGatewayFiles } from '../support/gateway.ts';
import { eventually } from '../support/money.ts';
import { openSocket, rawReply, requestBytes } from '../support/raw-http.ts';
import { wellFormed } from '../support/well-formed.ts';

let provider: FakeProvider;
let place: { directory: string; file: string };
let gateway: ServedGateway;

async function start(grace_ms: number): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), 'llm-policy-shutdown-'));
  place = writeGatewayFiles({
    openai: provider.baseUrl,
    team: { budgets: [{ window: 'month', limit_usd: 10 }] },
    directory,
    config: {
      state: { path: join(directory, 'data'), lease_ms: 1000 },
      server: { port: 0, shutdown_grace_ms: grace_ms },
      telemetry: { log_level: 'info' },
    },
  });
  gateway = await serveCli(place.file, { cwd: place.directory, env: testEnv });
}

beforeEach(async () => {
  provider = await startFakeProvider({ key: 'upstream-secret-key' });
});
afterEach(async () => {
  gateway.cli.kill('SIGKILL');
  await gateway.cli.ended;
  await provider.close();
  rmSync(place.directory, { recursive: true, force: true });
});

/** A stream that has begun: its first bytes are there. */
async function stream(): Promise<{ rest(): Promise<Buffer> }> {
  const response = await fetch(`${gateway.origin}/v1/chat/completions`, {
    method: 'POST',
    headers: { authorization: `Bearer ${teamKey}` },
    body: JSON.stringify({
      model: 'gpt-4o',
      stream: true,
      max_tokens: 2000,
      messages: [{ role: 'user', content: 'Hi' }],
    }),
  });
  expect(response.status).toBe(200);
  const reader = response.body!.getReader();
  const chunks = [(await reader.read()).value!];
  return {
    async rest() {
      for (let next = await reader.read(); !next.done; next = await reader.read()) chunks.push(next.value);
      return Buffer.concat(chunks);
    },
  };
}

/** What is left on disk, read by the command line as an operator would. */
async function leftBehind() {
  const json = async (...args: string[]) => {
    const { code, out, err } = await run(place.directory, [...args, '--json', '--config', place.file], {
      env: testEnv,
    });
    expect([code, err], args.join(' ')).toEqual([0, '']);
    return JSON.parse(out);
  };
  const money = async () => ({
    budgets: (await json('budgets', 'list')).budgets as { held_usd: number; spent_usd: number }[],
    drift: (await json('budgets', 'reconcile')).drift as unknown[],
  });
  const [trail, { records }, rest] = await Promise.all([json('audit', 'verify'), json('audit', 'query'), money()]);
  return { trail, records: records as { ending: string; cost_usd: number; cost_estimated: boolean }[], ...rest };
}

test('SIGTERM lets running streams end, takes no new connection, delivers the trail and exits 0', async () => {
  await start(20_000);
  provider.reply = () => ({ text: 'word '.repeat(25), pace_ms: 150 });
  const running = await stream();
  gateway.cli.kill('SIGTERM');
  await eventually('no new connection', async () => {
    const answer = await fetch(`${gateway.origin}/health`).catch((error: Error) => error.cause as { code: string });
    return 'code' in answer && answer.code === 'ECONNREFUSED';
  });
  expect(provider.requests[0]?.finished).toBe(false);
  expect(wellFormed('openai-chat', await running.rest())).toBe('end');
  const over = performance.now();
  expect(await gateway.cli.ended).toBe(0);
  // This client keeps its connection open; nobody waits for that.
  expect(performance.now() - over).toBeLessThan(15_000);
  expect(gateway.cli.err).toBe('');

  const left = await leftBehind();
  expect(left.trail).toMatchObject({ ok: true, records: 1 });
  expect(left.records).toMatchObject([{ ending: 'complete' }]);
  expect(left.budgets).toMatchObject([{ held_usd: 0, spent_usd: left.records[0]!.cost_usd }]);
  expect(left.records[0]!.cost_usd).toBeGreaterThan(0);
  expect(left.drift).toEqual([]);
});

test('a reply that has ended leaves whole, however slowly its client reads it', async () => {
  await start(20_000);
  provider.reply = () => ({ text: 'word '.repeat(3_000_000) });
  const socket = openSocket(gateway.origin);
  const headers = [
    ['Authorization', `Bearer ${teamKey}`],
    ['Connection', 'keep-alive'],
  ] as const;
  const body = JSON.stringify({ model: 'gpt-4o', max_tokens: 50, messages: [{ role: 'user', content: 'Hi' }] });
  const reply = rawReply(socket, requestBytes(gateway.origin, { target: '/v1/chat/completions', headers, body }));
  await new Promise((begun) => socket.once('data', begun));
  socket.pause();
  gateway.cli.kill('SIGTERM');
  await gateway.cli.says(/"msg":"stopping: running calls may end"/);
  await wait(500);
  socket.resume();
  const { status, headers: told, body: received } = await reply;
  expect(status).toBe(200);
  expect(received.length).toBe(Number(told['content-length']));
  expect(await gateway.cli.ended).toBe(0);
});

test('what does not end within the grace is cut, recorded and paid; the exit is 0 all the same', async () => {
  await start(300);
  provider.reply = () => ({ text: 'word '.repeat(40), endless: true, pace_ms: 20 });
  const running = await stream();
  const began = performance.now();
  gateway.cli.kill('SIGTERM');
  await expect(running.rest()).rejects.toThrow();
  expect(await gateway.cli.ended).toBe(0);
  expect(performance.now() - began).toBeGreaterThan(290);
  await provider.requests[0]!.over;
  expect(provider.requests[0]!.aborted_ms).toBeDefined();

  const left = await leftBehind();
  expect(left.trail).toMatchObject({ ok: true, records: 1 });
  expect(left.records).toMatchObject([{ ending: 'aborted', cost_estimated: true }]);
  expect(left.records[0]!.cost_usd).toBeGreaterThan(0);
  expect(left.budgets).toMatchObject([{ held_usd: 0, spent_usd: left.records[0]!.cost_usd }]);
});

test('a second signal ends it at once; the next start records what was lost and holds nothing', async () => {
  await start(60_000);
  provider.reply = () => ({ text: 'word '.repeat(40), endless: true, pace_ms: 20 });
  const running = await stream();
  gateway.cli.kill('SIGTERM');
  await gateway.cli.says(/"msg":"stopping: running calls may end"/);
  const began = performance.now();
  gateway.cli.kill('SIGTERM');
  expect(await gateway.cli.ended).toBe(3);
  expect(performance.now() - began).toBeLessThan(30_000);
  await expect(running.rest()).rejects.toThrow();

  gateway = await serveCli(place.file, { cwd: place.directory, env: testEnv });
  await eventually('the lease of the lost one is over', async () => {
    return /^llm_gateway_reservations 0$/m.test(await (await fetch(`${gateway.metrics}/metrics`)).text());
  });
  gateway.cli.kill('SIGINT');
  expect(await gateway.cli.ended).toBe(0);
  const left = await leftBehind();
  expect(left.trail).toMatchObject({ ok: true, records: 1 });
  expect(left.records).toMatchObject([{ ending: 'lost', cost_estimated: true }]);
  expect(left.budgets).toMatchObject([{ held_usd: 0, spent_usd: left.records[0]!.cost_usd }]);
  expect(left.drift).toEqual([]);
});

describe('SIGHUP', () => {
  test.each(['SIGHUP', 'SIGUSR2'] as const)(
    '(and SIGUSR2) does not end a gateway that is starting: %s',
    async (signal) => {
      // A Redis that takes connections and says nothing: whoever is connected is in the middle of starting.
      const silent = createServer((socket) => socket.on('error', () => {})).listen(0, '127.0.0.1');
      await once(silent, 'listening');
      const asked = once(silent, 'connection') as Promise<[Socket]>;
      const directory = mkdtempSync(join(tmpdir(), 'llm-policy-shutdown-'));
      const state = { driver: 'redis', url: ref('SILENT_REDIS'), path: join(directory, 'data') };
      place = writeGatewayFiles({ openai: provider.baseUrl, directory, config: { state } });
      const env = { ...testEnv, SILENT_REDIS: `redis://127.0.0.1:${(silent.address() as AddressInfo).port}` };
      const cli = await startCli(['serve', '--config', place.file], { cwd: directory, env });
      gateway = { ...gateway, cli };
      const [socket] = await asked;
      cli.kill(signal);
      expect(await Promise.race([cli.ended, wait(500)])).toBeUndefined();
      socket.destroy();
      silent.close();
    },
  );

  test('reads the configuration again, says so, and refuses what is wrong with its place', async () => {
    await start(1000);
    const inForce = () =>
      [...gateway.cli.out.matchAll(/"program":"(sha256:\w+)","msg":"configuration in force"/g)].map(
        ([, program]) => program,
      );
    gateway.cli.kill('SIGHUP');
    await eventually('it is read', () => inForce().length === 1);
    const policy = join(place.directory, 'policies', 'more.yaml');
    writeFileSync(
      policy,
      'metadata: { id: more, name: More, version: 1.0.0 }\nrules: [{ id: r, condition: { operator: eqq, field: llm.model, value: x }, action: { decision: deny } }]\n',
    );
    gateway.cli.kill('SIGHUP');
    await gateway.cli.says(
      /"level":"error".*"file":"policies\/more\.yaml:2:\d+","state":"[^"]*eqq.*configuration refused, the last good one stays/,
    );
    const answer = await fetch(`${gateway.origin}/v1/models`, { headers: { authorization: `Bearer ${teamKey}` } });
    expect(answer.status).toBe(200);
    writeFileSync(
      policy,
      'metadata: { id: more, name: More, version: 1.0.0 }\nrules: [{ id: r, condition: { operator: eq, field: llm.model, value: x }, action: { decision: deny } }]\n',
    );
    gateway.cli.kill('SIGHUP');
    await eventually('the new one', () => new Set(inForce()).size === 2);
    gateway.cli.kill('SIGTERM');
    expect(await gateway.cli.ended).toBe(0);
  });
});
