import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { call, ref, startGateway, type TestGateway, testEnv } from '../support/gateway.ts';
import { eventually } from '../support/money.ts';
import { recordsOf } from '../support/refusals.ts';
import { run } from './world.ts';

const path = '/v1/chat/completions';
const inForce = `
metadata: { id: house, version: 1.2.0 }
rules:
  - id: no-large
    condition: { operator: eq, field: llm.model, value: large }
    action: { decision: deny, reason: Too large. }
`;
const other = `
metadata: { id: other }
rules:
  - id: no-small
    condition: { operator: eq, field: llm.model, value: small }
    action: { decision: deny, reason: Too small. }
  - id: nobody-called-bob
    condition: { operator: eq, field: user.id, value: bob }
    action: { decision: warn, reason: Hello Bob }
`;

let gateway: TestGateway;
beforeAll(async () => {
  gateway = await startGateway({
    policies: { house: inForce },
    providers: { demo: { id: 'demo', format: 'demo', models: { small: {}, large: {} } } },
    team: { keys: [{ key: ref('TEST_TEAM_KEY'), may_assert: true }] },
  });
  const ask = async (id: string, model: string, user: string) => {
    const body = { model, messages: [{ role: 'user', content: 'Hello' }] };
    await (await call(gateway, path, body, { 'x-request-id': id, 'x-llm-user': user })).text();
  };
  await ask('one', 'small', 'ann');
  await ask('two', 'large', 'bob');
  await ask('three', 'small', 'ann');
  await eventually('the records are delivered', async () => (await recordsOf(gateway)).length === 3);
  writeFileSync(join(gateway.directory, 'other.yaml'), other);
});
afterAll(() => gateway.close());

const cli = (...args: string[]) => run(gateway.directory, [...args, '--config', 'gateway.yaml'], { env: testEnv });

describe('simulate, on what a gateway recorded', () => {
  it('changes nothing by the policies that decided', async () => {
    const { code, out } = await cli('simulate', '--against', 'policies');
    expect([code, out]).toEqual([0, '3 calls: 0 would change (0.0 %), 3 would not, 0 cannot be told.\n']);
  });

  it('tells which calls other policies would have decided differently, by which rule', async () => {
    const { code, out } = await cli('simulate', '--against', 'other.yaml', '--json');
    expect(code).toBe(1);
    expect(JSON.parse(out)).toMatchObject({
      exchanges: 3,
      changed: 3,
      changes: [
        { from: 'allow', to: 'deny', rule: 'other/no-small', count: 2, was: [] },
        { from: 'deny', to: 'warn', rule: 'other/nobody-called-bob', count: 1, was: ['house/no-large'] },
      ],
    });
    const table = (await cli('simulate', '--against', 'other.yaml')).out;
    expect(table).toMatch(
      /^CALLS +FROM +TO +NOW BY +THEN BY +FOR INSTANCE\n +2 +allow +deny +other\/no-small +\(default\) +ex_/,
    );
    expect(table).toContain('3 calls: 3 would change (100.0 %), 0 would not, 0 cannot be told.');
  });

  it('takes what audit export printed, anywhere', async () => {
    const { out } = await cli('audit', 'export');
    writeFileSync(join(gateway.directory, 'export.jsonl'), out);
    const again = await run(gateway.directory, [
      'simulate',
      '--against',
      'other.yaml',
      '--records',
      'export.jsonl',
      '--json',
    ]);
    expect(JSON.parse(again.out)).toMatchObject({ exchanges: 3, changed: 3 });
    writeFileSync(join(gateway.directory, 'export.jsonl'), 'no records\n');
    const none = await run(gateway.directory, ['simulate', '--against', 'other.yaml', '--records', 'export.jsonl']);
    expect(none).toMatchObject({ code: 3, err: expect.stringContaining('holds no records') });
  });

  it('explains a recorded call by the policies in force, or by others', async () => {
    const two = (await recordsOf(gateway)).find(({ request_id }) => request_id === 'two') as { exchange: string };
    const { code, out } = await cli('explain', '--record', two.exchange);
    expect(code).toBe(1);
    expect(out).toMatch(
      /^ex_[0-9a-f]+ of \S+ was recorded as deny \(matched: house\/no-large\)\.\nDecided again by the same policies:\nDenied by house\/no-large \(version 1\.2\.0\), because llm\.model is large\.\n/,
    );
    const json = JSON.parse((await cli('explain', '--record', two.exchange, 'other.yaml', '--json')).out);
    expect(json).toMatchObject({ same_program: false, unrecorded: [], decision: { decision: 'warn' } });
    expect((await cli('explain', '--record', 'ex_none')).code).toBe(3);
    expect((await cli('explain', 'other.yaml')).code).toBe(2);
  });
});

describe('bench', () => {
  it('measures a decision, and tells what it looks at', async () => {
    const facts = JSON.stringify({ llm: { model: 'small' } });
    const { code, out } = await cli('bench', 'other.yaml', '--context', facts, '--seconds', '0.1', '--json');
    expect(code).toBe(0);
    expect(JSON.parse(out)).toMatchObject({
      policies: 1,
      rules: 2,
      ruled_out: 1,
      matched: 1,
      facts_needed: ['llm.model', 'user.id'],
      decision: 'deny',
      determining: ['other/no-small'],
      us_per_decision: expect.any(Number),
    });
    expect((await cli('bench', 'other.yaml', '--context', facts, '--seconds', '0.1')).out).toMatch(
      /^FIGURE +VALUE +OF\ndecisions per second +\d+/,
    );
  });
});
