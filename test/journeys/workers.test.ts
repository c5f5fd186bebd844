import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { type AuditRecord, queryTrail, verifyTrail } from '../../src/observe/index.ts';
import { runCli } from '../support/cli-process.ts';
import { type FleetOptions, type FleetProcess, fleetDirectory, startFleet } from '../support/fleet.ts';
import { openFleetHouse } from '../support/fleet-house.ts';
import { freePort } from '../support/free-port.ts';
import { ref } from '../support/gateway.ts';
import { type AskedBody, eventually, hi } from '../support/money.ts';

const body: AskedBody = { model: 'gpt-4o', max_tokens: 50, messages: hi };
const teams = { research: { budgets: [{ window: 'total', limit_usd: 10 }] } };

const house = openFleetHouse();

const start = (options: Partial<FleetOptions> = {}): Promise<FleetProcess> =>
  startFleet({ teams, redisUrl: house.redis.url, provider: house.provider.baseUrl, workers: 2, ...options });

async function recordsIn(directory: string): Promise<AuditRecord[]> {
  const records: AuditRecord[] = [];
  for await (const { record } of queryTrail(join(directory, 'data', 'audit'), {})) records.push(record);
  return records;
}

/** Every call has its one record, and the trail holds. */
async function exactly(fleet: FleetProcess, ids: readonly string[]): Promise<readonly AuditRecord[]> {
  const records = await recordsIn(fleet.directory);
  expect(records.map(({ request_id }) => request_id).sort()).toEqual([...ids].sort());
  const data = join(fleet.directory, 'data');
  expect(await verifyTrail(join(data, 'audit'), join(data, 'spool'))).toMatchObject({ ok: true, problems: [] });
  return records;
}

/** How `fetch` tells that a connection closed before an answer came over it. */
const unanswered = new Set(['UND_ERR_SOCKET', 'ECONNRESET', 'EPIPE']);

/**
 * Asks without a pause over so many connections until told to stop. A call into an idle connection that closes in this
 * moment is sent once more, under the same id: had it been begun the first time, it would have two records.
 */
function underLoad(fleet: FleetProcess, connections: number) {
  const ids: string[] = [];
  const failed: string[] = [];
  let stopped = false;
  const ask = (id: string) => fleet.ask('research', body, { headers: { 'x-request-id': id } });
  const again = (id: string) => (error: Error) => {
    if (unanswered.has((error.cause as { code?: string } | undefined)?.code ?? '')) return ask(id);
    throw error;
  };
  const line = async (): Promise<void> => {
    while (!stopped) {
      const id = `load-${ids.length}`;
      ids.push(id);
      try {
        const { status, text } = await ask(id).catch(again(id));
        if (status !== 200) failed.push(`${id}: ${status} ${text}`);
      } catch (error) {
        failed.push(`${id}: ${String((error as Error).cause ?? error)}`);
      }
    }
  };
  const lines = Array.from({ length: connections }, line);
  return {
    ids,
    failed,
    async stop() {
      stopped = true;
      await Promise.all(lines);
    },
  };
}

/** Each test starts several processes: on a busy machine that alone takes its time. */
const slow = { timeout: 120_000 };
/** Two seconds for what is promised within them, and the time that a busy machine takes to ask for it. */
const bound_ms = 2000 + 5000;

describe('a gateway with two workers', slow, () => {
  test('answers on one address from both, counts budgets and metrics once, and ends with 0', async () => {
    const fleet = await start();
    expect(fleet.cli.out).toMatch(/"workers":2/);
    const rows = await fleet.ready(2);
    expect(new Set(rows.map(({ pid }) => pid)).size).toBe(2);
    const ids = Array.from({ length: 40 }, (_, at) => `call-${at}`);
    // A connection each, so that both workers get some.
    const answers = await Promise.all(
      ids.map((id) => fleet.ask('research', body, { headers: { 'x-request-id': id, connection: 'close' } })),
    );
    for (const { status } of answers) expect(status).toBe(200);
    const { spent } = await fleet.atRest('research');
    const series = await fleet.metrics();
    const requests = [...series].filter(([name]) => name.startsWith('llm_gateway_requests_total'));
    expect(requests.reduce((sum, [, value]) => sum + value, 0)).toBe(40);
    expect(series.get('llm_gateway_overhead_seconds_count')).toBe(40);
    expect(series.get('llm_gateway_overhead_seconds_bucket{le="+Inf"}')).toBe(40);
    expect(series.get('llm_gateway_workers')).toBe(2);
    expect(series.get('llm_gateway_inflight')).toBe(0);
    const budget = '{organization="acme",scope="team",id="research",window="total"}';
    expect(series.get(`llm_gateway_budget_limit_usd${budget}`)).toBe(10);
    expect(Math.round((series.get(`llm_gateway_budget_spent_usd${budget}`) ?? 0) * 1e9)).toBe(spent);
    await eventually('all records are there', async () => (await fleet.records()).length === 40);
    const spooled = (await fleet.metrics()).get('llm_audit_spooled_total');
    expect(spooled).toBe(40);
    const health = () => fleet.admin<{ audit: { spooled: number; waiting: number } }>('/admin/v1/health');
    await eventually('nothing waits in a spool', async () => (await health()).audit.waiting === 0);
    expect(await health()).toMatchObject({
      ready: true,
      audit: { spooled: 40, waiting: 0 },
      workers: { ready: 2, wanted: 2 },
    });
    const program = [...(await fleet.metrics())].filter(([name]) => name.startsWith('llm_policy_program_info'));
    expect(program.map(([, value]) => value)).toEqual([1]);
    expect(await fleet.stop()).toBe(0);
    const records = await exactly(fleet, ids);
    expect(records.reduce((sum, { cost_nusd }) => sum + cost_nusd, 0)).toBe(spent);
    const spools = new Set<string>();
    for await (const { spool } of queryTrail(join(fleet.directory, 'data', 'audit'), {})) spools.add(spool);
    expect([...spools].map((spool) => spool.split('.')[0]).sort()).toEqual(['gateway', 'gateway-2']);
  });

  test('replaces them one by one under load without a failed call, and its counters never fall', async () => {
    const fleet = await start();
    const before = await fleet.ready(2);
    const load = underLoad(fleet, 8);
    const counted: number[] = [];
    const count = async () => counted.push((await fleet.metrics()).get('llm_gateway_overhead_seconds_count') ?? 0);
    await eventually('calls flow', () => load.ids.length > 100);
    await count();
    fleet.cli.kill('SIGUSR2');
    await eventually(
      'both are replaced',
      async () => {
        await count();
        const rows = await fleet.workers();
        return rows.every(({ restarts, state }) => restarts === 1 && state === 'ready');
      },
      60_000,
    );
    const between = load.ids.length;
    await eventually('calls still flow', () => load.ids.length > between + 50);
    await load.stop();
    await count();
    expect(load.failed).toEqual([]);
    const after = await fleet.workers();
    const pids = [...before, ...after].map(({ pid }) => pid);
    expect(new Set(pids).size).toBe(4);
    expect(counted).toEqual([...counted].sort((one, other) => one - other));
    expect(counted.at(-1)).toBe(load.ids.length);
    const series = await fleet.metrics();
    expect(series.get('llm_gateway_worker_restarts_total{worker="1",reason="restart"}')).toBe(1);
    expect(series.get('llm_gateway_worker_restarts_total{worker="2",reason="restart"}')).toBe(1);
    expect(await fleet.stop()).toBe(0);
    await exactly(fleet, load.ids);
  });

  test('replaces one that is killed, and what it had under way is recorded as lost and settled', async () => {
    const fleet = await start({ state: { lease_ms: 1000 } });
    const rows = await fleet.ready(2);
    let stalled: () => void = () => {};
    const stall = new Promise<void>((resolve) => {
      stalled = resolve;
    });
    let arrived = 0;
    house.provider.reply = async () => {
      arrived += 1;
      await stall;
      return {};
    };
    const ids = Array.from({ length: 6 }, (_, at) => `cut-${at}`);
    const calls = ids.map((id) =>
      fleet.ask('research', body, { headers: { 'x-request-id': id, connection: 'close' } }).catch(() => undefined),
    );
    await eventually('all are at the provider', () => arrived === 6);
    process.kill(rows[0]?.pid ?? 0, 'SIGKILL');
    await eventually('it is noticed', async () => (await fleet.workers())[0]?.crashes === 1);
    const after = await fleet.ready(2);
    expect(after[0]?.pid).not.toBe(rows[0]?.pid);
    expect(after[1]?.pid).toBe(rows[1]?.pid);
    stalled();
    const answered = (await Promise.all(calls)).filter((answer) => answer?.status === 200).length;
    expect(answered).toBeGreaterThan(0);
    expect(answered).toBeLessThan(6);
    await fleet.atRest('research');
    await eventually('all are recorded', async () => (await fleet.records()).length === 6);
    const { spent } = await fleet.budget('research');
    expect((await fleet.metrics()).get('llm_gateway_worker_restarts_total{worker="1",reason="crash"}')).toBe(1);
    expect(fleet.cli.out).toMatch(/a worker ended by itself and is replaced/);
    expect(await fleet.stop()).toBe(0);
    const records = await exactly(fleet, ids);
    expect(records.filter(({ ending }) => ending === 'lost')).toHaveLength(6 - answered);
    expect(records.reduce((sum, { cost_nusd }) => sum + cost_nusd, 0)).toBe(spent);
  });

  test('takes a change up in every worker, or in none and says why; a worker that comes later has the last good one', async () => {
    const fleet = await start();
    await fleet.ready(2);
    const ask = () => fleet.ask('research', body, { headers: { connection: 'close' } });
    const all = async () => new Set((await Promise.all(Array.from({ length: 12 }, ask))).map(({ status }) => status));
    expect(await all()).toEqual(new Set([200]));
    const policy = join(fleet.directory, 'policies', 'quiet.yaml');
    const quiet = readFileSync(policy, 'utf8');
    writeFileSync(policy, quiet.replace('no-such-model', 'gpt-4o').replace('decision: warn', 'decision: deny'));
    await eventually('every worker denies', async () => ![...(await all())].includes(200));
    expect(await all()).toEqual(new Set([403]));
    writeFileSync(policy, 'rules: [');
    const refused = await fetch(`${fleet.origin}/health`);
    expect(refused.status).toBe(200);
    await eventually('it is refused', () => /configuration refused, the last good one stays/.test(fleet.cli.out));
    // What only a worker opens is refused with its place all the same.
    const moduled =
      'rules: [{ id: m, wasm: { module: ./none.wasm, inputs: [llm.model] }, action: { decision: deny } }]';
    writeFileSync(policy, `metadata: { id: quiet }\n${moduled}\n`);
    await eventually('it is refused', () =>
      fleet.cli.out.includes('the module ./none.wasm: it cannot be read (ENOENT)'),
    );
    expect(fleet.cli.out).toMatch(/quiet\.yaml:1:1[^\n]*none\.wasm/);
    const [first] = await fleet.workers();
    process.kill(first?.pid ?? 0, 'SIGKILL');
    await eventually('it is noticed', async () => (await fleet.workers())[0]?.crashes === 1);
    await fleet.ready(2);
    expect(await all()).toEqual(new Set([403]));
    writeFileSync(policy, quiet);
    await eventually('every worker allows again', async () => ![...(await all())].includes(403));
    expect(await fleet.stop()).toBe(0);
  });

  test('a key made or revoked on the admin listener counts in every worker within two seconds', async () => {
    const fleet = await start();
    await fleet.ready(2);
    const { url, headers } = fleet.adminAt;
    const wanted = JSON.stringify({ organization: 'acme', team: 'research' });
    const made = await fetch(`${url}/admin/v1/keys`, { method: 'POST', headers, body: wanted });
    const { key, id } = (await made.json()) as { key: string; id: string };
    // A connection each: the workers take turns.
    const statuses = async () => {
      const asked = Array.from({ length: 6 }, () =>
        fetch(`${fleet.origin}/v1/models`, { headers: { authorization: `Bearer ${key}`, connection: 'close' } }),
      );
      return [...new Set((await Promise.all(asked)).map(({ status }) => status))];
    };
    await eventually('every worker knows it', async () => (await statuses()).join() === '200', bound_ms);
    await fetch(`${url}/admin/v1/keys/${id}`, {
      method: 'DELETE',
      headers: { authorization: headers.authorization ?? '' },
    });
    await eventually('no worker takes it any more', async () => (await statuses()).join() === '401', bound_ms);
    expect(await fleet.stop()).toBe(0);
  });

  test('lets running calls end when it is stopped', async () => {
    const fleet = await start();
    await fleet.ready(2);
    let arrived = 0;
    house.provider.reply = async () => {
      arrived += 1;
      await new Promise((resolve) => setTimeout(resolve, 1500));
      return {};
    };
    const ids = ['a', 'b', 'c', 'd'];
    const calls = ids.map((id) =>
      fleet.ask('research', body, { headers: { 'x-request-id': id, connection: 'close' } }),
    );
    await eventually('all are at the provider', () => arrived === 4);
    const ended = fleet.stop();
    for (const { status } of await Promise.all(calls)) expect(status).toBe(200);
    expect(await ended).toBe(0);
    await exactly(fleet, ids);
  });
});

test('a second gateway with fewer workers brings in what the others left', slow, async () => {
  const directory = fleetDirectory();
  const fleet = await start({ directory, workers: 3 });
  const rows = await fleet.ready(3);
  let arrived = 0;
  house.provider.reply = async () => {
    arrived += 1;
    await new Promise((resolve) => setTimeout(resolve, 60_000));
    return {};
  };
  const ids = Array.from({ length: 9 }, (_, at) => `left-${at}`);
  for (const id of ids)
    fleet.ask('research', body, { headers: { 'x-request-id': id, connection: 'close' } }).catch(() => undefined);
  await eventually('all are at the provider', () => arrived === 9);
  fleet.cli.kill('SIGKILL');
  await fleet.cli.ended;
  await eventually('its workers end with it', () => rows.every(({ pid = 0 }) => gone(pid)));
  house.provider.reset();
  const next = await start({ directory, workers: 1 });
  await eventually('all are recorded', async () => (await next.records()).length === 9);
  expect(await next.stop()).toBe(0);
  const records = await exactly(next, ids);
  expect(new Set(records.map(({ ending }) => ending))).toEqual(new Set(['lost']));
});

test('the doctor tells how many workers there are; a second gateway and an embedded ledger refuse', slow, async () => {
  const ports = { port: await freePort() };
  const admin = { port: await freePort(), keys: [ref('TEST_ADMIN_KEY')] };
  const fleet = await start({ server: ports, config: { admin } });
  await fleet.ready(2);
  const options = { cwd: fleet.directory, env: fleet.env };
  const told = await runCli(['doctor', '--config', fleet.file], options);
  expect(told.out).toMatch(/gateway: ready at \S+, 2 of 2 workers/);
  // Another gateway on its data says so and ends.
  const second = await runCli(['serve', '--config', fleet.file], options);
  expect(second.code, second.out).toBe(3);
  expect(second.err).toMatch(/process \d+ on \S+ holds this; only one process may open it at a time/);
  expect(await fleet.stop()).toBe(0);
  const before = await runCli(['doctor', '--config', fleet.file], options);
  expect(before.out).toMatch(/workers: 2/);
  const yaml = readFileSync(fleet.file, 'utf8').replace('driver: redis', 'driver: embedded');
  writeFileSync(fleet.file, yaml);
  const { code, err } = await runCli(['serve', '--config', fleet.file], options);
  expect(code).toBe(3);
  expect(err).toMatch(/gateway\.yaml:\d+:\d+: more than one worker needs a ledger that processes can share/);
});

function gone(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return false;
  } catch {
    return true;
  }
}
