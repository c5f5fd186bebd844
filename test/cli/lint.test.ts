import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { capTests, openCapPlace } from '../support/cap-place.ts';

const policy = `metadata: { id: cap }
params: { cap_usd: 1, idle: 2 }
rules:
  - id: dear
    condition: { operator: gt, field: llm.estimatedCost, value: "\${params.cap_usd}" }
    action: { decision: deny, reason: "Too <dear> & more" }
  - id: dearer
    condition: { operator: gt, field: llm.estimatedCost, value: 5 }
    action: { decision: warn, reason: Much too dear }
tests: ./cap.policytest.yaml
`;

const cap = openCapPlace(policy);
const { cli } = cap;

describe('lint', () => {
  it('tells each finding with its place, and exits with 1', async () => {
    const { code, out } = await cli('lint', 'p');
    expect(code).toBe(1);
    expect(out.split('\n')).toEqual([
      'p/cap.yaml:2:23: warning unused-parameter: cap: the parameter idle is used by no rule',
      'p/cap.yaml:7:5: warning missing-test: cap/dearer: no test makes it match',
      'p/cap.yaml:7:5: warning shadowed: cap/dearer: it never has an effect: whenever it matches, cap/dear denies',
      '    because it cannot be that llm.estimatedCost is not over 1 and llm.estimatedCost is over 5',
      '    for instance llm.estimatedCost = 6: deny by cap/dear',
      '3 warnings in 1 policy.',
      '',
    ]);
  });

  it('is JSON for programs, and can be told what is grave enough', async () => {
    const { code, out } = await cli('lint', 'p', '--json');
    expect(code).toBe(1);
    expect(JSON.parse(out)).toMatchObject({
      ok: false,
      findings: [
        { code: 'unused-parameter' },
        { code: 'missing-test' },
        { code: 'shadowed', facts: { 'llm.estimatedCost': 6 } },
      ],
      unanalysed: [],
    });
    expect(await cli('lint', 'p', '--severity', 'error')).toEqual({
      code: 0,
      out: '1 policy: nothing found.\n',
      err: '',
    });
    expect((await cli('lint', 'p', '--severity', 'loud')).code).toBe(2);
    cap.place.write('p/cap.yaml', policy.replace('params', 'parms'));
    expect((await cli('lint', 'p')).out).toMatch(/^p\/cap\.yaml:2:1: unknown key parms/);
  });
});

describe('test', () => {
  it('tells what no test has seen, and fails below what is asked for', async () => {
    const { code, out } = await cli('test', 'p', '--coverage');
    expect(code).toBe(0);
    expect(out).toContain('cap/dear    llm.estimatedCost is over 1  never false');
    expect(out).toContain('cap/dearer  llm.estimatedCost is over 5  never true');
    expect(out).toContain('Coverage: 50.0 % (2 of 4 outcomes, in 2 rules).');
    const low = await cli('test', 'p', '--coverage=80', '--format', 'json');
    expect(low.code).toBe(1);
    expect(JSON.parse(low.out)).toMatchObject({ ok: false, passed: 1, coverage: { percent: 50, seen: 2, total: 4 } });
    expect((await cli('test', 'p', '--coverage=50')).code).toBe(0);
    expect((await cli('test', 'p', '--coverage=lots')).code).toBe(2);
  });

  it('speaks TAP and JUnit', async () => {
    cap.place.write(
      'p/bad.policytest.yaml',
      capTests.replace('decision: deny', 'decision: allow').replace('is denied', 'is <let> "in"'),
    );
    const tap = await cli('test', 'p', '--format', 'tap');
    expect(tap.code).toBe(1);
    expect(tap.out).toMatch(
      /^TAP version 14\n1\.\.2\nnot ok 1 - p\/bad\.policytest\.yaml: a dear call is <let> "in"\n {2}---\n/,
    );
    expect(tap.out).toContain('ok 2 - p/cap.policytest.yaml: a dear call is denied');
    const { out } = await cli('test', 'p', '--format', 'junit');
    expect(out).toContain('<testsuites tests="2" failures="1">');
    expect(out).toContain(
      '<testcase name="a dear call is &lt;let&gt; &quot;in&quot;" classname="p/bad.policytest.yaml">',
    );
    expect(out.match(/<\w+(?: [^>]*[^/])?>/g)?.length).toBe(out.match(/<\/\w+>/g)?.length);
  });

  it('times each tested decision', async () => {
    const { out } = await cli('test', 'p', '--bench', '--format', 'json');
    expect(JSON.parse(out)).toMatchObject({
      bench: [{ file: 'p/cap.policytest.yaml', test: 'a dear call is denied', us: expect.any(Number) }],
    });
  });

  const program = join(import.meta.dirname, '../../dist/cli.js');
  it.runIf(existsSync(program))('runs again when a policy changes', async () => {
    const child = spawn(process.execPath, [program, 'test', 'p', '--watch'], { cwd: cap.place.path });
    let told = '';
    const until = async (text: string) => {
      while (!told.includes(text)) {
        const [chunk] = (await once(child.stdout, 'data')) as [Buffer];
        told += chunk.toString();
      }
    };
    try {
      await until('Watching');
      expect(told).toContain('1 passed, 0 failed');
      cap.place.write('p/cap.yaml', policy.replace('decision: deny', 'decision: warn'));
      await until('0 passed, 1 failed');
    } finally {
      child.kill();
      await once(child, 'exit');
    }
  });
});
