import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { assembled, template } from '../support/assemblyscript.ts';
import { writeGatewayFiles } from '../support/gateway.ts';
import { run } from './world.ts';

const policy = (module: string, more = '') => `
metadata: { id: long, version: 1.0.0 }
rules:
  - id: too-long
    wasm: { module: ${module}, inputs: [llm.estimatedTokens], deadline_ms: 10000${more} }
    action: { decision: deny }
`;
const tests = `
apiVersion: llm-policy/v1
kind: PolicyTest
metadata: { name: long }
policies: [./long.yaml]
tests:
  - name: the module is asked
    input: {}
    cases:
      - { set: { llm.estimatedTokens: 5000 }, decision: deny, reason: Too long for this rule }
      - { set: { llm.estimatedTokens: 10 }, decision: allow }
  - name: what a test says that it says counts
    input: { set: { llm.estimatedTokens: 10, "wasm:long/too-long": true } }
    expect: { decision: deny }
`;

describe('commands and modules', () => {
  const directory = mkdtempSync(join(tmpdir(), 'llm-policy-modules-'));
  const put = (path: string, text: string | Uint8Array) => writeFileSync(join(directory, path), text);
  beforeAll(async () => {
    mkdirSync(join(directory, 'p/rules'), { recursive: true });
    put('p/rules/long.wasm', await assembled(template));
    put('p/rules/unbounded.wasm', await assembled(template, 0));
    put('p/long.yaml', policy('./rules/long.wasm'));
    put('p/long.policytest.yaml', tests);
    put('broken.yaml', policy('./p/rules/unbounded.wasm'));
    put('absent.yaml', policy('./none.wasm'));
    put('other.yaml', policy('./p/rules/long.wasm', `, sha256: "${'0'.repeat(64)}"`));
  }, 120_000);
  afterAll(() => rmSync(directory, { recursive: true, force: true }));

  it('evaluate and explain run them', async () => {
    const context = ['--context', '{"llm":{"estimatedTokens":5000}}'];
    expect(await run(directory, ['evaluate', 'p/long.yaml', ...context])).toMatchObject({
      code: 1,
      out: 'deny: Too long for this rule\nby long/too-long\n',
    });
    const { out } = await run(directory, ['explain', 'p/long.yaml', ...context]);
    expect(out).toContain('because wasm:long/too-long is true');
  });

  it('test asks them what a test does not say itself', async () => {
    const { code, out } = await run(directory, ['test', 'p', '--coverage=100']);
    expect(out).toContain('Coverage: 100.0 %');
    expect(code).toBe(0);
    put('p/long.policytest.yaml', tests.replace('5000', '4000'));
    expect(await run(directory, ['test', 'p'])).toMatchObject({
      code: 1,
      out: expect.stringContaining('decision: expected "deny", came "allow"'),
    });
    put('p/gone.yaml', policy('./rules/gone.wasm'));
    put('p/long.policytest.yaml', tests.replace('./long.yaml', './gone.yaml'));
    const gone = await run(directory, ['test', 'p']);
    expect(gone.out).toContain('the module ./rules/gone.wasm: it cannot be read (ENOENT)');
    rmSync(join(directory, 'p/gone.yaml'));
  });

  it.each([
    ['broken.yaml', 'the module ./p/rules/unbounded.wasm: its memory must declare a maximum'],
    ['absent.yaml', 'the module ./none.wasm: it cannot be read (ENOENT)'],
    ['other.yaml', 'the module ./p/rules/long.wasm: its hash is sha256:'],
  ])('validate and evaluate tell what is wrong with the module of %s, with its place', async (file, message) => {
    for (const command of [
      ['validate', file],
      ['evaluate', file, '--context', '{}'],
    ]) {
      const { code, out } = await run(directory, command);
      expect(out).toContain(`${file}:2:1: ${message}`);
      expect(code).toBe(1);
    }
  });

  it('config check looks at them', async () => {
    const gateway = writeGatewayFiles({
      policies: { long: policy('./none.wasm') },
      providers: { demo: { id: 'demo', format: 'demo', models: { small: {} } } },
    });
    const env = { TEST_TEAM_KEY: 'k'.repeat(60), TEST_ADMIN_KEY: 'a'.repeat(60) };
    const told = await run(gateway.directory, ['config', 'check', '--config', 'gateway.yaml'], { env });
    expect(told.out).toContain('policies/long.yaml:2:1: the module ./none.wasm: it cannot be read (ENOENT)');
    expect(told.code).toBe(1);
    rmSync(gateway.directory, { recursive: true, force: true });
  });
});
