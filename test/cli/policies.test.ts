import { readFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Place } from '../config/place.ts';
import { run } from './world.ts';

const policy = `metadata: { id: cap, name: Cap, version: 1.0.0 }
rules:
  - id: dear
    condition: { operator: gt, field: llm.estimatedCost, value: 1 }
    action: { decision: deny, reason: Too dear }
`;
const tests = `apiVersion: llm-policy/v1
kind: PolicyTest
metadata: { name: cap }
policies: [./cap.yaml]
tests:
  - name: a dear call is denied
    input: { set: { llm.estimatedCost: 2 } }
    expect: { decision: deny, by: [cap/dear] }
`;

let place: Place;
beforeEach(() => {
  place = new Place();
  place.write('p/cap.yaml', policy);
  place.write('p/cap.policytest.yaml', tests);
});
afterEach(() => place.remove());
const cli = (...args: string[]) => run(place.path, args);

describe('validate', () => {
  it('takes files and directories, and says what is wrong where', async () => {
    expect(await cli('validate', 'p')).toEqual({ code: 0, out: '1 policy, 1 rule: fine.\n', err: '' });
    expect(JSON.parse((await cli('validate', 'p/cap.yaml', '--json')).out)).toMatchObject({
      ok: true,
      policies: 1,
      rules: 1,
    });
    place.write('p/bad.yaml', policy.replace('llm.estimatedCost', 'llm.estimatedCots'));
    const { code, out } = await cli('validate', 'p');
    expect(code).toBe(1);
    expect(out).toMatch(/^p\/bad\.yaml:4:\d+: .*estimatedCost/);
  });

  it('looks at policies together', async () => {
    place.write('p/again.yaml', policy);
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
    place.write('facts.json', cost(2));
    expect((await cli('evaluate', 'p/cap.yaml', '--context', '@facts.json')).out).toContain('Too dear');
    const { out } = await run(place.path, ['evaluate', 'p/cap.yaml', '--context', '-', '--json'], { input: cost(2) });
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
    place.write('p/cap.policytest.yaml', tests.replace('decision: deny,', 'decision: allow,'));
    const failed = await cli('test', 'p');
    expect(failed.code).toBe(1);
    expect(failed.out).toMatch(/^p\/cap\.policytest\.yaml\n {2}a dear call is denied\n {4}.*\n0 passed, 1 failed/s);
    expect(JSON.parse((await cli('test', 'p', '--json')).out)).toMatchObject({ ok: false, passed: 0, failed: 1 });
  });

  it('tells of a test file that is none', async () => {
    place.write('p/cap.policytest.yaml', 'kind: Other\n');
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
    expect(readFileSync(`${place.path}/p/cap.yaml`, 'utf8')).toBe(out);
    expect(await cli('fmt', 'p/cap.yaml', '--check')).toEqual({ code: 0, out: '', err: '' });
  });
});
