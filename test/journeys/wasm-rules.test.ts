import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { run } from '../cli/world.ts';
import { assembled, template } from '../support/assemblyscript.ts';
import { call, startGateway, type TestGateway, testEnv } from '../support/gateway.ts';
import { eventually } from '../support/money.ts';
import { recordsOf } from '../support/refusals.ts';

const path = '/v1/chat/completions';
const policy = `
metadata: { id: long, version: 1.0.0 }
rules:
  - id: too-long
    wasm: { module: ./rules/long.wasm, inputs: [llm.estimatedTokens], deadline_ms: 5000 }
    action: { decision: deny }
`;
const stuck = template.replace('if (tokens < 0)', 'while (tokens > 100) {}\n  if (tokens < 0)');

async function gatewayWith(source: string, text = policy): Promise<TestGateway> {
  const directory = mkdtempSync(join(tmpdir(), 'llm-policy-wasm-'));
  mkdirSync(join(directory, 'policies/rules'), { recursive: true });
  writeFileSync(join(directory, 'policies/rules/long.wasm'), await assembled(source));
  return await startGateway({
    directory,
    policies: { long: text },
    providers: { demo: { id: 'demo', format: 'demo', models: { small: {} } } },
  });
}
const ask = (gateway: TestGateway, words: number) =>
  call(gateway, path, { model: 'small', messages: [{ role: 'user', content: 'word '.repeat(words) }] });

describe('a gateway with a rule of a module', () => {
  let gateway: TestGateway;
  beforeAll(async () => {
    gateway = await gatewayWith(template);
  }, 120_000);
  afterAll(() => gateway.close());

  it('asks the module, tells its reason, and records its verdict', async () => {
    expect((await ask(gateway, 10)).status).toBe(200);
    const denied = await ask(gateway, 20_000);
    expect(denied.status).toBe(403);
    expect(await denied.json()).toMatchObject({ error: { code: 'policy_denied', message: 'Too long for this rule' } });
    await eventually('the records are delivered', async () => (await recordsOf(gateway)).length === 2);
    const [fine, long] = (await recordsOf(gateway)) as unknown as { facts: Record<string, unknown> }[];
    expect(fine?.facts).toMatchObject({ 'wasm:long/too-long': false });
    expect(long?.facts).toMatchObject({
      'wasm:long/too-long': true,
      'wasm:long/too-long:reason': 'Too long for this rule',
    });
    const replayed = await run(
      gateway.directory,
      ['simulate', '--against', 'policies/long.yaml', '--config', 'gateway.yaml'],
      { env: testEnv },
    );
    expect(replayed.out).toBe('2 calls: 0 would change (0.0 %), 2 would not, 0 cannot be told.\n');
  });
});

describe('a module that goes wrong', () => {
  it('denies within its deadline where it is stuck, and other calls go on', async () => {
    const gateway = await gatewayWith(stuck, policy.replace('5000', '1000'));
    try {
      const [long, short] = await Promise.all([ask(gateway, 5_000), ask(gateway, 10)]);
      expect(long.status).toBe(403);
      expect(JSON.stringify(await long.json())).toContain('it gave no answer within 1000 ms');
      expect(short.status).toBe(200);
    } finally {
      await gateway.close();
    }
  }, 120_000);

  it('is refused at the start where it is not what its policy says', async () => {
    const other = policy.replace('deadline_ms: 5000', `sha256: "${'0'.repeat(64)}"`);
    await expect(gatewayWith(template, other)).rejects.toThrow(
      /long\.yaml:2:1: the module \.\/rules\/long\.wasm: its hash is sha256:/,
    );
    await expect(gatewayWith(template, policy.replace('long.wasm', 'none.wasm'))).rejects.toThrow(
      'it cannot be read (ENOENT)',
    );
  }, 120_000);
});
