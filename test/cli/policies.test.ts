import { readFileSync } from 'node:fs';
import { beforeEach, describe, expect, it } from 'vitest';
import { capTests, openCapPlace } from '../support/cap-place.ts';
import { run } from './world.ts';

const policy = `metadata: { id: cap, name: Cap, version: 1.0.0 }
rules:
  - id: dear
    condition: { operator: gt, field: llm.estimatedCost, value: 1 }
    action: { decision: deny, reason: Too dear }
`;

const cap = openCapPlace(policy);
const { cli } = cap;

describe('validate', () => {
  it('takes files and directories, and says what is wrong where', async () => {
    expect(await cli('validate', 'p')).toEqual({ code: 0, out: '1 policy, 1 rule: fine.\n', err: '' });
    expect(JSON.parse((await cli('validate', 'p/cap.yaml', '--json')).out)).toMatchObject({
      ok: true,
      policies: 1,
      rules: 1,
    });
    cap.place.write('p/bad.yaml', policy.replace('llm.estimatedCost', 'llm.estimatedCots'));
    const { code, out } = await cli('validate', 'p');
    expect(code).toBe(1);
    expect(out).toMatch(/^p\/bad\.yaml:4:\d+: .*estimatedCost/);
  });

  it('looks at policies together', async () => {
    cap.place.write('p/again.yaml', policy);
    const { code, out } = await cli('validate', 'p');
    expect(code).toBe(1);
    expect(out).toContain('twice');
  });
});

describe('evaluate', () => {
  const cost = (usd: number) => JSON.stringify({ llm: { estimatedCost: usd } });

  it('prints the decision and tells it by the exit code', async () => {
    expect(await cli('evaluate', 'p/cap.yaml', '--context', cost(2))).toEqual({
      code: 1,
      out: 'deny: Too dear\nby cap/dear\n',
      err: '',
    });
    expect((await cli('evaluate', 'p/cap.yaml', '--context', cost(1), '--default', 'allow')).code).toBe(0);
    expect((await cli('evaluate', 'p/cap.yaml', '--context', cost(1))).out).toMatch(/^deny: No rule matched/);
  });

  it('reads facts from a file and from standard input', async () => {
    cap.place.write('facts.json', cost(2));
    expect((await cli('evaluate', 'p/cap.yaml', '--context', '@facts.json')).out).toContain('Too dear');
    const { out } = await run(cap.place.path, ['evaluate', 'p/cap.yaml', '--context', '-', '--json'], {
      input: cost(2),
    });
    expect(JSON.parse(out)).toMatchObject({ decision: { decision: 'deny', determining: ['cap/dear'] } });
  });

  it('can explain itself', async () => {
    const { code, out } = await cli('explain', 'p/cap.yaml', '--context', cost(2));
    expect(code).toBe(1);
    expect(out).toMatch(
      /^Denied by cap\/dear \(version 1\.0\.0\), because llm\.estimatedCost is over 1 \(it is 2\)\.\n/,
    );
    expect(out).toMatch(/\nThe caller is told: Too dear\n\ndeny \(not allowed\): Too dear\n\+ cap\/dear -> deny\n/);
    expect(out).toContain('llm.estimatedCost');
    expect(out).not.toContain('{');
    const json = JSON.parse((await cli('explain', 'p/cap.yaml', '--context', cost(2), '--json')).out);
    expect(json).toMatchObject({ decision: { decision: 'deny' }, rules: [{ rule: 'cap/dear', outcome: 'true' }] });
  });
});

describe('test', () => {
  it('runs what it finds, and exits with 1 when something fails', async () => {
    expect(await cli('test', 'p')).toEqual({ code: 0, out: '1 passed, 0 failed, in 1 file\n', err: '' });
    cap.place.write('p/cap.policytest.yaml', capTests.replace('decision: deny,', 'decision: allow,'));
    const failed = await cli('test', 'p');
    expect(failed.code).toBe(1);
    expect(failed.out).toMatch(/^p\/cap\.policytest\.yaml\n {2}a dear call is denied\n {4}.*\n0 passed, 1 failed/s);
    expect(JSON.parse((await cli('test', 'p', '--json')).out)).toMatchObject({ ok: false, passed: 0, failed: 1 });
  });

  it('tells of a test file that is none', async () => {
    cap.place.write('p/cap.policytest.yaml', 'kind: Other\n');
    const { code, out } = await cli('test', 'p');
    expect(code).toBe(1);
    expect(out).toContain('kind must be PolicyTest');
  });
});

describe('fmt', () => {
  it('prints, checks and writes the canonical form', async () => {
    const { out } = await cli('fmt', 'p/cap.yaml');
    expect(out).toContain('decision: deny');
    expect(await cli('fmt', 'p/cap.yaml', '--check')).toEqual({ code: 1, out: 'p/cap.yaml\n', err: '' });
    expect(await cli('fmt', 'p/cap.yaml', '--write')).toEqual({ code: 0, out: 'p/cap.yaml\n', err: '' });
    expect(readFileSync(`${cap.place.path}/p/cap.yaml`, 'utf8')).toBe(out);
    expect(await cli('fmt', 'p/cap.yaml', '--check')).toEqual({ code: 0, out: '', err: '' });
  });
});

describe('policies that are made of others', () => {
  const base = `metadata: { id: base, version: 1.2.0 }
params: { usd: 1 }
rules:
  - id: dear
    condition: { operator: gt, field: llm.estimatedCost, value: "\${params.usd}" }
    action: { decision: deny, reason: Too dear }
`;
  const own = 'metadata: { id: own, version: 1.0.0 }\nextends: base@^1.0.0\nparams: { usd: 5 }\nrules: []\n';
  const cost = (usd: number) => JSON.stringify({ llm: { estimatedCost: usd } });

  beforeEach(() => {
    cap.place.write('lib/base.yaml', base);
    cap.place.write('own/own.yaml', own);
  });

  it('are refused alone, with what to name', async () => {
    const { code, out } = await cli('validate', 'own');
    expect([code, out]).toEqual([
      1,
      'own/own.yaml:2:10: own extends base, and there is no such policy among those named; --library or --config may name it\n',
    ]);
  });

  it('find what they are made of in a library, which is not looked at itself', async () => {
    expect(await cli('validate', 'own', '--library', 'lib')).toMatchObject({
      code: 0,
      out: '1 policy, 1 rule: fine.\n',
    });
    expect((await cli('lint', 'own', '--library', 'lib/base.yaml', '--severity', 'error')).code).toBe(0);
    const [under, over] = [cost(4), cost(6)];
    const decided = (usd: string, ...more: string[]) =>
      cli('evaluate', 'own', '--context', usd, '--default', 'allow', '--library', 'lib', ...more);
    expect([(await decided(under)).code, (await decided(over)).code]).toEqual([0, 1]);
    expect((await cli('explain', 'own', '--context', over, '--library', 'lib')).out).toContain('own/dear');
    const measured = await cli('bench', 'own', '--library', 'lib', '--context', over, '--seconds', '0.05', '--json');
    expect(JSON.parse(measured.out)).toMatchObject({ decision: 'deny', rules: 1 });
    cap.place.write('records.json', '{"records": []}');
    const simulated = await cli('simulate', '--against', 'own', '--library', 'lib', '--records', 'records.json');
    expect(simulated).toMatchObject({ code: 0, out: 'No record with a decision fits.\n' });
  });

  it('find it in the directory of the configuration, in force or not', async () => {
    cap.place.write('gateway.yaml', 'policies: { path: ./policies, enabled: [security/*], default: allow }\n');
    cap.place.write('policies/base.yaml', base);
    const config = ['--config', 'gateway.yaml'];
    expect(await cli('validate', 'own', ...config)).toMatchObject({ code: 0, out: '1 policy, 1 rule: fine.\n' });
    // The default is the configuration's.
    expect((await cli('evaluate', 'own', '--context', cost(4), ...config)).code).toBe(0);
    expect((await cli('evaluate', 'own', '--context', cost(6), ...config)).code).toBe(1);
    // And so is what there is to send calls to.
    cap.place.write(
      'own/own.yaml',
      `${own.replace('rules: []', 'rules:')}  - id: go\n    action: { decision: modify, route_to: demo2 }\n`,
    );
    expect(await cli('validate', 'own', ...config)).toMatchObject({
      code: 1,
      out: "own/own.yaml:6:5: the rule go: route_to: there is no provider 'demo2' (did you mean demo?)\n",
    });
  });

  it('without names are those of the configuration', async () => {
    cap.place.write('gateway.yaml', 'policies: { path: ./policies, enabled: [security/*], default: deny }\n');
    cap.place.write('policies/base.yaml', base);
    cap.place.write('policies/security/own.yaml', own);
    const config = ['--config', 'gateway.yaml'];
    expect(await cli('validate', ...config)).toMatchObject({ code: 0, out: '2 policies, 2 rules: fine.\n' });
    expect((await cli('evaluate', '--context', cost(4), ...config)).out).toMatch(/^deny: No rule matched/);
    expect((await cli('explain', '--context', cost(6), ...config)).out).toContain('own/dear');
    expect((await cli('lint', '--severity', 'error', ...config)).code).toBe(0);
    expect((await cli('validate')).code).toBe(2);
  });
});
