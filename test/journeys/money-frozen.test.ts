import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type FakeProvider, startFakeProvider } from '../support/fake-provider.ts';
import { type FleetProcess, removeFleets, startFleet } from '../support/fleet.ts';
import { type Answered, type AskedBody, costOf, eventually, heldBy, hi, usd } from '../support/money.ts';
import { allRecords } from '../support/records.ts';
import { type RedisServer, startRedis } from '../support/redis.ts';

const seconds = Number(process.env.SOAK_SECONDS ?? 6);
const deadline_ms = 500;
/** What a busy core may add to a deadline. */
const slack_ms = 3000;
const usage = { input: 40, output: 30 };
const asked = (stream: boolean): AskedBody => ({ model: 'gpt-4o', max_tokens: 50, stream, messages: hi });
const price = costOf(heldBy(asked(false)));
/** What a share has left when Redis goes: enough for a while and not for the whole time. */
const shareFits = 20;

let provider: FakeProvider;
let redis: RedisServer;
let gateway: FleetProcess;
beforeAll(async () => {
  provider = await startFakeProvider({ key: 'upstream-secret-key' });
  provider.reply = () => ({ usage });
  redis = await startRedis();
  const total = (limit_usd: number, on_loss?: string) => ({
    budgets: [{ window: 'total', limit_usd, ...(on_loss === undefined ? {} : { on_loss }) }],
  });
  gateway = await startFleet({
    workers: 1,
    redisUrl: redis.url,
    provider: provider.baseUrl,
    state: { deadline_ms, lease_ms: 10_000 },
    teams: {
      closed: total(1),
      shared: total(usd(10 * costOf(usage) + shareFits * price), 'local_share'),
      open: total(1, 'open'),
    },
  });
}, 120_000);
afterAll(async () => {
  await removeFleets();
  await provider?.close();
  await redis?.stop();
});

/** The gateway's log: every line of at least `warn`. */
function warnings(): string[] {
  const lines = `${gateway.cli.out}\n${gateway.cli.err}`.split('\n').filter((line) => line.startsWith('{"level"'));
  return lines.filter((line) => ['warn', 'error', 'fatal'].includes(String(JSON.parse(line).level)));
}

test(
  `Redis stands still for ${seconds} s under load (PITFALLS 52): each limit does what it declared, nothing stalls, one line a change`,
  async () => {
    const teams = ['closed', 'shared', 'open'] as const;
    // Both see what is left of their budgets before it goes.
    for (let call = 0; call < 4; call += 1) {
      for (const team of teams) {
        const { status, text } = await gateway.ask(team, asked(call % 2 === 0));
        expect(status, `${text}\n${warnings().join('\n')}`).toBe(200);
      }
    }
    await gateway.atRest('shared');
    expect((await gateway.ask('shared', asked(true))).status).toBe(200);
    await gateway.metrics();
    const calm = warnings().length;
    const before = provider.requests.length;

    redis.freeze();
    const answers: { team: (typeof teams)[number]; at_ms: number; answer: Answered }[] = [];
    const running: Promise<unknown>[] = [];
    const frozen_ms = performance.now();
    let lag = 0;
    for (let call = 0; performance.now() - frozen_ms < seconds * 1000; call += 1) {
      for (const team of teams) {
        const at_ms = performance.now() - frozen_ms;
        const ended = gateway.ask(team, asked(call % 2 === 0)).then((answer) => answers.push({ team, at_ms, answer }));
        running.push(ended);
      }
      if (call % 20 === 19) {
        const { value } = [...(await gateway.metrics())]
          .filter(([name]) => name.startsWith('llm_gateway_event_loop_lag_seconds'))
          .map(([, value]) => ({ value }))
          .reduce((most, one) => (one.value > most.value ? one : most), { value: 0 });
        lag = Math.max(lag, value);
      }
      await sleep(40);
    }
    await Promise.all(running);
    const told = warnings().slice(calm);
    redis.thaw();
    const thawed_ms = performance.now();
    await eventually(
      'calls of closed limits pass again',
      async () => (await gateway.ask('closed', asked(false))).status === 200,
    );
    const recovery_ms = performance.now() - thawed_ms;

    const of = (team: string) => answers.filter((one) => one.team === team);
    const slowest = Math.max(...answers.map(({ answer }) => answer.ms));
    const figures = JSON.stringify({ calls: answers.length, slowest, lag, recovery_ms, told });
    if (process.env.SOAK_SECONDS !== undefined) console.log(figures);
    expect(slowest, figures).toBeLessThan(2 * deadline_ms + slack_ms);
    // A loop that stands still for every command that nobody answers would be late by the deadline, again and again.
    expect(lag, figures).toBeLessThan(2);
    expect(recovery_ms, figures).toBeLessThan(2000 + slack_ms);
    const changes = told.filter((line) => line.includes('ledger is'));
    expect(changes.length, figures).toBe(1);
    expect(changes[0]).toContain('ledger is lost');
    // Beside it a few words of other parts that miss their Redis, and none for a call.
    expect(told.length, figures).toBeLessThan(10);

    for (const { answer } of of('closed'))
      expect([answer.status, answer.error.code]).toEqual([503, 'state_unavailable']);
    expect(of('open').every(({ answer }) => answer.status === 200)).toBe(true);
    const shared = of('shared').sort((a, b) => a.at_ms - b.at_ms);
    const passed = shared.filter(({ answer }) => answer.status === 200).length;
    for (const { answer } of shared) {
      if (answer.status !== 200) expect([answer.status, answer.error.code]).toEqual([429, 'insufficient_quota']);
    }
    expect(passed).toBeGreaterThan(0);
    expect(shared.at(-1)?.answer.status).toBe(429);
    expect(provider.requests.length).toBeGreaterThanOrEqual(before + passed + of('open').length);

    // What the share was spent on is told, and stays within the budget. A stream near its end is ended by it, and by no other.
    const paid = async () => {
      const records = await allRecords((path) => gateway.admin(path), { team: 'shared' });
      return records.filter(({ ending }) => ending !== 'denied');
    };
    await eventually('all is recorded', async () => (await paid()).length === 5 + passed);
    for (const { ending, limited_by, cost_nusd } of await paid()) {
      if (ending === 'ended_by_ceiling') expect(limited_by).toBe("the total budget of team 'shared'");
      else expect([ending, cost_nusd]).toEqual(['complete', costOf(usage)]);
    }
    const cost = (await paid()).reduce((sum, { cost_nusd }) => sum + (cost_nusd ?? 0), 0);
    await eventually('the share is told', async () => (await gateway.budget('shared')).spent === cost);
    const { spent, limit, held } = await gateway.atRest('shared');
    expect(held).toBe(0);
    expect(spent).toBeLessThanOrEqual(limit);
    await eventually('the books agree', async () => {
      const { drift } = await gateway.admin<{ drift: unknown[] }>('/admin/v1/budgets/reconcile', 'POST');
      return drift.length === 0;
    });
    expect(warnings().filter((line) => line.includes('ledger is lost')).length).toBe(1);
    expect(provider.violations).toEqual([]);
  },
  60_000 + 2000 * seconds,
);
