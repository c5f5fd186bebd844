import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { run } from '../cli/world.ts';
import { assembled, template } from '../support/assemblyscript.ts';
import { call, startGateway, type TestGateway, teamKey, testEnv } from '../support/gateway.ts';
import { eventually } from '../support/money.ts';
import { startPdp } from '../support/pdp.ts';
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

const records = async (gateway: TestGateway, count: number) => {
  await eventually('the records are delivered', async () => (await recordsOf(gateway)).length === count);
  const list = (await recordsOf(gateway)) as unknown as {
    readonly facts: Record<string, unknown>;
    readonly decision: { readonly request: Record<string, unknown> };
  }[];
  return list;
};

describe('what modules say', () => {
  it('is kept where a rule wants it, and the record says so', async () => {
    const gateway = await gatewayWith(
      template,
      policy.replace('deadline_ms: 5000', 'deadline_ms: 5000, cache: { ttl_seconds: 600 }'),
    );
    try {
      for (let i = 0; i < 3; i++) expect((await ask(gateway, 20_000)).status).toBe(403);
      const [first, second, third] = await records(gateway, 3);
      expect(first?.decision.request).not.toHaveProperty('cached');
      for (const one of [second, third]) {
        expect(one?.decision.request).toMatchObject({ decision: 'deny', cached: true });
        expect({ ...one?.decision.request, cached: undefined }).toEqual({
          ...first?.decision.request,
          cached: undefined,
        });
        expect(one?.facts['wasm:long/too-long']).toBe(true);
      }
      const metrics = await (await fetch(`${gateway.metrics}/metrics`)).text();
      expect(metrics).toContain('llm_policy_verdicts_total{outcome="run"} 1');
      expect(metrics).toContain('llm_policy_verdicts_total{outcome="cached"} 2');
      const replayed = await run(
        gateway.directory,
        ['simulate', '--against', 'policies/long.yaml', '--config', 'gateway.yaml'],
        { env: testEnv },
      );
      expect(replayed.out).toBe('3 calls: 0 would change (0.0 %), 3 would not, 0 cannot be told.\n');
    } finally {
      await gateway.close();
    }
  }, 120_000);

  it('is not asked for where it could change nothing, and the record says so', async () => {
    const guarded = `${policy}applies_to: { team.tier: [nobody] }\n`;
    const watched = policy.replace('id: long', 'id: watched').replace('rules:', 'status: shadow\nrules:');
    const gateway = await gatewayWith(template, [guarded, watched].join('---\n'));
    try {
      expect((await ask(gateway, 20_000)).status).toBe(200);
      const [record] = await records(gateway, 1);
      const skipped = 'unable: not asked: it could not change what is enforced';
      expect(record?.facts).toMatchObject({ 'wasm:long/too-long': skipped, 'wasm:watched/too-long': skipped });
      expect(record?.decision.request).toMatchObject({
        shadowed: ['not asked (watched/too-long)'],
        unable: [expect.stringContaining(`wasm:watched/too-long: ${skipped.slice('unable: '.length)}`)],
      });
      const metrics = await (await fetch(`${gateway.metrics}/metrics`)).text();
      expect(metrics).toContain('llm_policy_verdicts_total{outcome="skipped"} 2');
      const replayed = await run(
        gateway.directory,
        ['simulate', '--against', 'policies/long.yaml', '--config', 'gateway.yaml'],
        { env: testEnv },
      );
      expect(replayed.out).toBe('1 calls: 0 would change (0.0 %), 1 would not, 0 cannot be told.\n');
    } finally {
      await gateway.close();
    }
  }, 120_000);

  it('comes from the thread that decides where somebody vouches for the module', async () => {
    const gateway = await gatewayWith(template, policy.replace('deadline_ms: 5000', 'trusted: true'));
    try {
      expect((await ask(gateway, 10)).status).toBe(200);
      expect((await ask(gateway, 20_000)).status).toBe(403);
    } finally {
      await gateway.close();
    }
  }, 120_000);
});

describe('a simulation by a policy with a module', () => {
  it('asks the module of calls whose records tell its inputs', async () => {
    const before = `
metadata: { id: before, version: 1.0.0 }
rules:
  - id: huge
    condition: { operator: gt, field: llm.estimatedTokens, value: 1000000 }
    action: { decision: deny }
`;
    const gateway = await gatewayWith(template, before);
    try {
      for (const words of [10, 20_000]) expect((await ask(gateway, words)).status).toBe(200);
      await records(gateway, 2);
      const other = policy.replace('id: long', 'id: prompts').replace('[llm.estimatedTokens]', '[llm.prompt]');
      writeFileSync(join(gateway.directory, 'policies/next.yaml'), policy);
      writeFileSync(join(gateway.directory, 'policies/prompts.yaml'), other);
      writeFileSync(join(gateway.directory, 'gone.yaml'), policy);
      const simulated = (file: string) =>
        run(gateway.directory, ['simulate', '--against', file, '--config', 'gateway.yaml'], { env: testEnv });
      expect((await simulated('policies/next.yaml')).out).toContain(
        '2 calls: 1 would change (50.0 %), 1 would not, 0 cannot be told.',
      );
      const untold = await simulated('policies/prompts.yaml');
      expect(untold.out).toContain('2 calls: 0 would change (0.0 %), 0 would not, 2 cannot be told.');
      expect(untold.out).toContain('wasm:prompts/too-long (2)');
      expect(await simulated('gone.yaml')).toMatchObject({
        code: 1,
        out: expect.stringContaining('the module ./rules/long.wasm: it cannot be read (ENOENT)'),
      });
    } finally {
      await gateway.close();
    }
  }, 120_000);
});

describe('a module that is changed', () => {
  const other = template.replace('tokens > 4000', 'tokens > 0').replace('Too long for this rule', 'Another rule');
  const module = (directory: string) => join(directory, 'policies/rules/long.wasm');

  it('is in force in a gateway soon, without a word from anybody; one that is broken is not', async () => {
    const gateway = await gatewayWith(template);
    try {
      expect((await ask(gateway, 10)).status).toBe(200);
      writeFileSync(module(gateway.directory), 'no module');
      writeFileSync(module(gateway.directory), await assembled(other, 0));
      expect((await ask(gateway, 10)).status).toBe(200);
      writeFileSync(module(gateway.directory), await assembled(other));
      await eventually('the other module is in force', async () => (await ask(gateway, 10)).status === 403);
    } finally {
      await gateway.close();
    }
  }, 120_000);

  it('is in force in a daemon soon', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'llm-policy-pdp-wasm-'));
    mkdirSync(join(directory, 'policies/rules'), { recursive: true });
    writeFileSync(module(directory), await assembled(template));
    const pdp = await startPdp({ directory, policies: { long: policy } });
    const asked = async () => {
      const response = await fetch(`${pdp.origin}/api/v1/evaluate`, {
        method: 'POST',
        headers: { authorization: `Bearer ${teamKey}` },
        body: JSON.stringify({ context: { llm: { estimatedTokens: 10 } } }),
      });
      return ((await response.json()) as { decision: { decision: string } }).decision.decision;
    };
    try {
      expect(await asked()).toBe('allow');
      writeFileSync(module(directory), await assembled(other));
      await eventually('the other module is in force', async () => (await asked()) === 'deny');
    } finally {
      await pdp.close();
    }
  }, 120_000);
});
