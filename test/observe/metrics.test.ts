import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, onTestFinished, test } from 'vitest';
import { type Metrics, type MetricsOptions, openMetrics } from '../../src/observe/index.ts';
import { families } from '../../src/observe/metrics/families.ts';

function open(options: MetricsOptions = {}): Metrics {
  const metrics = openMetrics({ process: false, ...options });
  onTestFinished(() => metrics.close());
  return metrics;
}

/** Prometheus text as series -> value. */
async function scrape(metrics: Metrics): Promise<Map<string, number>> {
  const series = new Map<string, number>();
  for (const line of (await metrics.render()).split('\n')) {
    const match = /^([a-z_]+(?:\{.*\})?) (\S+)$/.exec(line);
    if (match?.[1] !== undefined) series.set(match[1], Number(match[2]));
  }
  return series;
}

const exchange = {
  team: 'research',
  model: 'gpt-4o',
  provider: 'openai',
  decision: 'allow',
  status: 200,
  overhead_s: 0.0004,
  cost_nusd: 1_500_000_000,
};

describe('metrics', () => {
  test('tell of an exchange by team, model, provider, decision and status', async () => {
    const metrics = open();
    metrics.exchange({
      ...exchange,
      upstream_s: 0.4,
      first_token_s: 0.2,
      usage: { input: 10, output: 5, cacheRead: 0 },
    });
    metrics.exchange({ ...exchange, usage: { input: 7 } });
    metrics.exchange({ team: 'research', decision: 'deny', status: 403, overhead_s: 0.0001, cost_nusd: 0 });
    const series = await scrape(metrics);
    const who = 'team="research",model="gpt-4o",provider="openai"';
    expect(series.get(`llm_gateway_requests_total{${who},decision="allow",status="200"}`)).toBe(2);
    expect(
      series.get(
        'llm_gateway_requests_total{team="research",model="none",provider="none",decision="deny",status="403"}',
      ),
    ).toBe(1);
    expect(series.get(`llm_gateway_tokens_total{${who},kind="input"}`)).toBe(17);
    expect(series.get(`llm_gateway_tokens_total{${who},kind="output"}`)).toBe(5);
    expect(series.get(`llm_gateway_cost_usd_total{${who}}`)).toBe(3);
    expect(series.get('llm_gateway_overhead_seconds_count')).toBe(3);
    expect(series.get('llm_gateway_overhead_seconds_bucket{le="0.0001"}')).toBe(1);
    expect(series.get('llm_gateway_overhead_seconds_bucket{le="0.0005"}')).toBe(3);
    expect(series.get('llm_gateway_upstream_seconds_sum{model="gpt-4o",provider="openai"}')).toBe(0.4);
  });

  test('count what is under way, once out for once in', async () => {
    const metrics = open();
    const leave = metrics.enter();
    metrics.enter();
    leave();
    leave();
    expect((await scrape(metrics)).get('llm_gateway_inflight')).toBe(1);
  });

  test('histograms are cumulative and lose nothing', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.double({ min: 0, max: 5, noNaN: true }), { maxLength: 50 }), async (values) => {
        const metrics = open();
        for (const value of values) metrics.rail('pii', value);
        const series = await scrape(metrics);
        metrics.close();
        const buckets = [...series].filter(([name]) => name.startsWith('llm_gateway_rail_seconds_bucket'));
        for (const [name, count] of buckets) {
          const bound = /le="(.*)"/.exec(name)![1]!.replace('+Inf', 'Infinity');
          expect(count).toBe(values.filter((value) => value <= Number(bound)).length);
        }
        expect(series.get('llm_gateway_rail_seconds_count{rail="pii"}') ?? 0).toBe(values.length);
      }),
      { numRuns: 30 },
    );
  });

  test('names that callers choose cannot grow the number of series', async () => {
    const metrics = open({ teams_max: 3, models_max: 4, providers_max: 2 });
    for (let at = 0; at < 5000; at++) {
      metrics.exchange({ ...exchange, team: `t${at % 50}`, model: `model-${at}`, provider: `p${at % 9}` });
    }
    const requests = [...(await scrape(metrics))].filter(([name]) => name.startsWith('llm_gateway_requests_total'));
    expect(requests.length).toBeLessThanOrEqual(4 * 5 * 3);
    expect(requests.reduce((sum, [, count]) => sum + count, 0)).toBe(5000);
    expect(requests.some(([name]) => name.includes('model="other"'))).toBe(true);
  });

  test('past its limit a family has one series for all others', () => {
    const { circuits } = families();
    for (let at = 0; at < 300; at++) circuits.of(`p${at}`).value += 1;
    expect(circuits.get().values).toHaveLength(101);
    expect(circuits.of('other').value).toBe(200);
  });

  test('budgets of users and keys are no label', async () => {
    const metrics = open();
    const money = { organization: 'acme', window: 'day', limit_nusd: 5e9, spent_nusd: 1e9, held_nusd: 5e8 };
    metrics.readBudgets(() => [
      { ...money, kind: 'team', id: 'research' },
      { ...money, kind: 'user', id: 'ann@example.com' },
      { ...money, kind: 'key', id: 'key-1' },
    ]);
    const text = await metrics.render();
    expect(text).toContain(
      'llm_gateway_budget_held_usd{organization="acme",scope="team",id="research",window="day"} 0.5',
    );
    expect(text).not.toMatch(/ann|key-1/);
  });

  test('the trail and the ledger are read when scraped', async () => {
    const metrics = open();
    let spooled = 1;
    metrics.readAudit(() => ({
      spooled,
      delivered: { file: 3 },
      failed: { file: 0 },
      aside: { file: 2 },
      missing: { file: 6 },
      waiting: 7,
      bytes: 99,
    }));
    metrics.readLedger(() => ({ reservations: 4, drift_nusd: 0 }));
    await metrics.render();
    spooled = 5;
    const series = await scrape(metrics);
    expect(series.get('llm_audit_spooled_total')).toBe(5);
    expect(series.get('llm_audit_delivered_total{sink="file"}')).toBe(3);
    expect(series.get('llm_audit_failed_total{sink="file"}')).toBe(0);
    expect(series.get('llm_audit_missing_total{sink="file"}')).toBe(6);
    expect(series.get('llm_audit_spool_bytes')).toBe(99);
    expect(series.get('llm_gateway_reservations')).toBe(4);
    expect(series.get('llm_gateway_ledger_drift_usd')).toBe(0);
  });

  test('the other recorders name what the contract names', async () => {
    const metrics = open({ process: true });
    metrics.finding('pii', 'email');
    metrics.evaluation('deny', 3e-7);
    metrics.heldCharacters(12);
    metrics.retry('openai');
    metrics.circuit('openai', true);
    metrics.program('sha256:1');
    metrics.program('sha256:2');
    const series = await scrape(metrics);
    expect(series.get('llm_gateway_rail_findings_total{rail="pii",type="email"}')).toBe(1);
    expect(series.get('llm_policy_evaluations_total{decision="deny"}')).toBe(1);
    expect(series.get('llm_gateway_provider_circuit_open{provider="openai"}')).toBe(1);
    expect(series.get('llm_policy_program_info{program="sha256:2"}')).toBe(1);
    expect(series.has('llm_policy_program_info{program="sha256:1"}')).toBe(false);
    expect([...series.keys()].some((name) => name.startsWith('llm_gateway_event_loop_lag_seconds{'))).toBe(true);
    expect(series.has('process_cpu_user_seconds_total')).toBe(true);
  });
});

describe('dashboards', () => {
  const folder = join(import.meta.dirname, '../../deploy/grafana');
  const names = new Set<string>();
  for (const family of Object.values(families())) {
    for (const ending of ['', '_bucket', '_sum', '_count']) names.add(family.name + ending);
  }

  test.each(readdirSync(folder).filter((name) => name.endsWith('.json')))('%s asks for metrics that exist', (name) => {
    const board = JSON.parse(readFileSync(join(folder, name), 'utf8')) as {
      panels: { title: string; targets?: { expr: string }[] }[];
    };
    const asked = board.panels.flatMap((panel) =>
      (panel.targets ?? []).flatMap((target) => target.expr.match(/llm_[a-z_]+/g) ?? []),
    );
    expect(asked.length).toBeGreaterThan(10);
    for (const metric of asked) expect(names, metric).toContain(metric);
  });

  test('every metric of ours is on a dashboard', () => {
    const text = readdirSync(folder)
      .map((name) => readFileSync(join(folder, name), 'utf8'))
      .join('');
    for (const family of Object.values(families())) expect(text).toContain(family.name);
  });
});
