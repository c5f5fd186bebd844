import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { build } from 'vite';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { type Policy, PolicyEngine, PolicyError, PolicyParser, policySchema, runPolicyTests } from '../../src/index.ts';
import { parsePolicies } from '../../src/policy/index.ts';

const published = `
metadata: { id: cost-limit-policy, name: Monthly Cost Limit, version: 1.0.0, namespace: production, priority: 100 }
rules:
  - id: deny-expensive-models
    name: Deny requests exceeding cost threshold
    condition:
      operator: and
      conditions:
        - { operator: gt, field: llm.estimatedCost, value: 1.0 }
        - { operator: eq, field: team.tier, value: free }
    action: { decision: deny, reason: Cost exceeds free tier limit ($1.00) }
status: active
`;

describe('the library', () => {
  it('parses, adds and evaluates as published', async () => {
    const engine = new PolicyEngine({ default: 'allow' });
    engine.addPolicy(new PolicyParser().parseYaml(published));
    const context = {
      llm: { provider: 'openai', model: 'gpt-4', prompt: 'Hello', estimatedCost: 1.5 },
      team: { id: 't', tier: 'free' },
      user: { id: 'u' },
    };
    const response = await engine.evaluate({ requestId: 'req-123', context });
    expect(response).toMatchObject({
      requestId: 'req-123',
      decision: {
        decision: 'deny',
        allowed: false,
        reason: 'Cost exceeds free tier limit ($1.00)',
        policyId: 'cost-limit-policy',
        policyVersion: '1.0.0',
      },
      principal: 'user:u',
      action: 'llm:chat',
      resource: 'model:gpt-4',
      facts: { 'llm.estimatedCost': 1.5, 'team.tier': 'free' },
      cached: false,
    });
    expect(response.evaluationTimeMs).toBeGreaterThanOrEqual(0);
    expect(Math.abs(Date.parse(response.timestamp) - Date.now())).toBeLessThan(60_000);
    expect((await engine.evaluate({ context: { ...context, team: { tier: 'pro' } } })).decision.allowed).toBe(true);
  });

  it('denies where no policy says otherwise, and forgets a removed one', async () => {
    const engine = new PolicyEngine();
    expect((await engine.evaluate({ context: {} })).decision).toMatchObject({ decision: 'deny', allowed: false });
    engine.addPolicy(
      new PolicyParser().parseYaml('metadata: { id: open }\nrules: [{ id: r, action: { decision: allow } }]'),
    );
    expect((await engine.evaluate({ context: {} })).decision.allowed).toBe(true);
    expect(engine.removePolicy('open')).toBe(true);
    expect(engine.removePolicy('open')).toBe(false);
    expect((await engine.evaluate({ context: {} })).decision.allowed).toBe(false);
  });

  it('takes policies as objects, checked like texts, and replaces one of the same id', async () => {
    const engine = new PolicyEngine();
    const policy = { metadata: { id: 'o' }, rules: [{ id: 'r', action: { decision: 'ALLOW' } }], status: 'active' };
    engine.addPolicy(policy as unknown as Policy);
    expect((await engine.evaluate({ context: {} })).decision.allowed).toBe(true);
    engine.addPolicy({ ...policy, rules: [{ id: 'r', action: { decision: 'deny' } }] } as unknown as Policy);
    expect((await engine.evaluate({ context: {} })).decision.allowed).toBe(false);
    expect(engine.getPolicies()).toHaveLength(1);
    expect(() => engine.addPolicy({ ...policy, rules: [{ id: 'r' }] } as unknown as Policy)).toThrow(PolicyError);
  });

  it('evaluates with some of its policies when asked, and refuses one it has not', async () => {
    const engine = new PolicyEngine({
      policies: parsePolicies(
        `${published}---\nmetadata: { id: open }\nrules: [{ id: r, action: { decision: allow } }]`,
      ),
    });
    const dear = { llm: { estimatedCost: 2 }, team: { tier: 'free' } };
    expect((await engine.evaluate({ context: dear })).decision.allowed).toBe(false);
    expect((await engine.evaluate({ context: dear, policies: ['open'] })).decision.allowed).toBe(true);
    await expect(engine.evaluate({ context: dear, policies: ['opne'] })).rejects.toThrow('there is no policy opne');
  });

  it('runs where code may not be generated and Node is not there', async () => {
    const entry = join(import.meta.dirname, '../../src/policy/index.ts');
    const result = await build({
      configFile: false,
      logLevel: 'silent',
      build: { write: false, minify: false, target: 'es2023', lib: { entry, formats: ['es'], fileName: 'policy' } },
    });
    const [output] = Array.isArray(result) ? result : [result];
    if (output === undefined || !('output' in output)) throw new Error('nothing was built');
    const { code } = output.output[0];
    expect(code).not.toMatch(/from\s*["'](node:|fs|process|buffer|crypto)/);
    const folder = mkdtempSync(join(tmpdir(), 'policy-'));
    try {
      const text = JSON.stringify(published);
      const script = `const p = compile(parsePolicies(${text})); console.log(decide(p, 'request', {llm: {estimatedCost: 2}, team: {tier: 'free'}}).decision, p.id);`;
      writeFileSync(join(folder, 'policy.mjs'), code);
      writeFileSync(
        join(folder, 'run.mjs'),
        `import { compile, decide, parsePolicies } from './policy.mjs';\n${script}`,
      );
      const out = execFileSync(process.execPath, ['--disallow-code-generation-from-strings', join(folder, 'run.mjs')], {
        encoding: 'utf8',
      });
      expect(out).toMatch(/^deny sha256:/);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

describe('the schema for editors', () => {
  const validate = new Ajv2020({ strict: false }).compile(policySchema);

  it('takes what the parser takes and refuses unknown keys', () => {
    expect(validate(parse(published))).toBe(true);
    const shipped = parse(
      readFileSync(join(import.meta.dirname, '../../policies/content/markdown-images.yaml'), 'utf8'),
    );
    expect(validate(shipped)).toBe(true);
    expect(validate({ ...(shipped as object), ruls: [] })).toBe(false);
    expect(validate({ metadata: { id: 'x' }, rules: [{ id: 'r', action: { decision: 'denny' } }] })).toBe(false);
  });
});

describe('a test file of policies', () => {
  const file = (tests: string) =>
    `apiVersion: llm-policy/v1\nkind: PolicyTest\nmetadata: { name: t }\npolicies: [./p.yaml]\nfixtures: { free: { team: { tier: free } } }\ntests:\n${tests}`;
  const run = (tests: string) =>
    runPolicyTests(file(tests), () => [new PolicyParser().parseYaml(published)], { file: 't.policytest.yaml' });

  it('reports what was expected and what came', () => {
    const report = run(`
  - { name: good, input: { use: free, set: { llm.estimatedCost: 2 } }, expect: { decision: deny, by: [cost-limit-policy/deny-expensive-models] } }
  - { name: table, input: { use: free }, cases: [{ set: { llm.estimatedCost: 0 }, decision: deny }, { decision: allow }] }`);
    expect(report).toMatchObject({ name: 't', passed: 2, failed: 1 });
    expect(report.results[1]).toMatchObject({
      name: 'table (1)',
      passed: false,
      failures: ['decision: expected "deny", came "allow"'],
    });
  });

  it('is as strict as a policy: unknown facts, fixtures and keys are problems with their place', () => {
    expect(() => run('  - { name: a, input: { set: { llm.estimatedCots: 2 } }, expect: { decision: deny } }')).toThrow(
      'unknown fact llm.estimatedCots (did you mean llm.estimatedCost?)',
    );
    expect(() => run('  - { name: a, input: { use: fre }, expect: { decision: deny } }')).toThrow(
      'unknown fixture fre',
    );
    expect(() => run('  - { name: a, expect: { decison: deny } }')).toThrow('t.policytest.yaml:7:');
    expect(() => run('  - { name: a, input: {} }')).toThrow('a test needs expect or cases');
    expect(() => run('  - { name: a, expect: { decision: denied } }')).toThrow('decision must be one of');
  });
});
