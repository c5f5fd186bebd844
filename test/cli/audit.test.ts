import { appendFileSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { call, ref, startGateway, type TestGateway, testEnv } from '../support/gateway.ts';
import { eventually } from '../support/money.ts';
import { recordsOf } from '../support/refusals.ts';
import { run } from './world.ts';

const path = '/v1/chat/completions';
const denyLarge = `
metadata: { id: house, name: House, version: 1.0.0 }
rules:
  - id: no-large
    condition: { operator: eq, field: llm.model, value: large }
    action: { decision: deny, reason: Too large. }
`;

let gateway: TestGateway;
beforeAll(async () => {
  gateway = await startGateway({
    policies: { house: denyLarge },
    providers: { demo: { id: 'demo', format: 'demo', models: { small: {}, large: {} } } },
    team: { keys: [{ key: ref('TEST_TEAM_KEY'), may_assert: true }] },
  });
  const ask = async (id: string, model: string, content: string, user: string) => {
    const body = { model, messages: [{ role: 'user', content }] };
    await (await call(gateway, path, body, { 'x-request-id': id, 'x-llm-user': user })).text();
  };
  await ask('one', 'small', 'Hello', 'ann');
  await ask('two', 'large', 'Hello', 'bob');
  await ask('three', 'small', 'Fail with status 400', 'ann');
  await ask('four', 'small', 'Hello again', 'bob');
  await eventually('the records are delivered', async () => (await recordsOf(gateway)).length === 4);
});
afterAll(() => gateway.close());

const cli = (...args: string[]) =>
  run(gateway.directory, ['audit', ...args, '--config', 'gateway.yaml'], { env: testEnv });
/** The calls that fit, by the names they were given. */
async function query(...args: string[]): Promise<string[]> {
  const { code, out, err } = await cli('query', '--json', ...args);
  expect([code, err], args.join(' ')).toEqual([0, '']);
  return (JSON.parse(out).records as { request_id: string }[]).map(({ request_id }) => request_id);
}

describe('audit, beside the gateway that writes the trail', () => {
  it('finds by what is asked for, where the configuration says the trail lies', async () => {
    expect(await query()).toEqual(['one', 'two', 'three', 'four']);
    expect(await query('--limit', '2')).toEqual(['three', 'four']);
    expect(await query('--user', 'ann')).toEqual(['one', 'three']);
    expect(await query('--decision', 'deny')).toEqual(['two']);
    expect(await query('--decision', 'failed')).toEqual(['three']);
    expect(await query('--model', 'large')).toEqual(['two']);
    expect(await query('--team', 'nobody')).toEqual([]);
    expect(await query('--since', '1h')).toHaveLength(4);
    expect(await query('--until', '1h')).toEqual([]);
  });

  it('shows a line for each call: who, what, how it ended, what it cost', async () => {
    const { out } = await cli('query');
    expect(out.split('\n')[0]).toMatch(/^TIME \(UTC\) +EXCHANGE +TEAM +USER +MODEL +OUTCOME +MS$/);
    const time = String.raw`^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d +ex_[0-9a-f]{32} +research +`;
    expect(out).toMatch(new RegExp(`${time}ann +small +complete +\\d+$`, 'm'));
    expect(out).toMatch(new RegExp(`${time}bob +large +denied: 403 policy_denied +\\d+$`, 'm'));
    expect(out).toMatch(new RegExp(`${time}ann +small +failed: 400 upstream_error +\\d+$`, 'm'));
  });

  it('exports every record as a line of JSON with dollars and times', async () => {
    const { code, out } = await cli('export');
    const lines = out
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect([code, lines.length]).toEqual([0, 4]);
    expect(lines[0]).toMatchObject({
      request_id: 'one',
      time: expect.stringMatching(/Z$/),
      cost_usd: expect.any(Number),
      caller: { user: 'ann' },
      hash: expect.any(String),
    });
  });

  it('is used wrongly with 2: nothing is shown for a filter that is misspelt', async () => {
    for (const args of [
      ['query', '--decision', 'dney'],
      ['query', '--since', 'yesterday'],
      ['query', '--limit', '0'],
      ['query', 'x'],
      ['query', '--usr', 'a'],
      ['look'],
    ])
      expect(await cli(...args), args.join(' ')).toMatchObject({ code: 2, out: '' });
    expect((await cli('query', '--decision', 'dney')).err).toContain("did you mean 'deny'?");
    expect(await cli('report')).toMatchObject({ code: 3, err: "llm-policy: 'audit report' is not supported yet\n" });
  });

  it('verifies with 0, and with 1 and the place once a byte is another', async () => {
    const { code, out } = await cli('verify');
    expect([code, out]).toEqual([0, expect.stringMatching(/\n4 records; the chain holds\.\n$/)]);
    const trail = join(gateway.directory, 'data', 'audit');
    const file = join(trail, readdirSync(trail).find((name) => name.startsWith('audit-'))!);
    const good = readFileSync(file, 'utf8');
    writeFileSync(file, good.replace('"large"', '"small"'));
    const edited = await cli('verify');
    expect(edited.code).toBe(1);
    expect(edited.err).toMatch(/\.jsonl:\d+: /);
    expect(edited.out).toContain('The trail does not hold.');
    writeFileSync(file, good.slice(good.indexOf('\n') + 1));
    expect((await cli('verify')).code).toBe(1);
    writeFileSync(file, good);
    appendFileSync(file, good.slice(0, good.indexOf('\n') + 1));
    expect((await cli('verify')).code).toBe(1);
    writeFileSync(file, good);
    expect((await cli('verify')).code).toBe(0);
  });
});
