import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { decideNaive } from '../../src/policy/decide.ts';
import { compile, decide, type PolicyText, PolicyTexts, type Program } from '../../src/policy/index.ts';
import { inside } from '../../src/policy/program.ts';
import { openPolicyFiles, openPolicySet, type PolicySet } from '../../src/registry/index.ts';

const text = (id: number, reason = 'no') =>
  `metadata: { id: p${id} }\nrules: [{ id: r, condition: { operator: eq, field: team.id, value: t${id} }, action: { decision: deny, reason: ${reason} } }]\n`;
const files = (change: Readonly<Record<number, string>> = {}): readonly PolicyText[] =>
  Array.from({ length: 200 }, (_, i) => ({ path: `f${i}.yaml`, text: change[i] ?? text(i) }));
/** Read and compiled by somebody who never saw another set. */
const anew = (from: readonly PolicyText[]): Program => compile(new PolicyTexts().read(from).policies);
const asked = (program: Program, team: string) => decide(program, 'request', { team: { id: team } });

let directory: string;
let texts: PolicyTexts;
let set: PolicySet;
/** The program once these files are in force, as a gateway puts them there. */
function put(from: readonly PolicyText[]): Program {
  const next = set.rebase({ ...texts.read(from), default: 'deny' });
  next.commit();
  return set.program();
}
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'llm-policy-changing-'));
  texts = new PolicyTexts();
  set = openPolicySet({
    shelf: openPolicyFiles(directory),
    base: { ...texts.read(files()), default: 'deny' },
    clock: () => 0,
  });
});
afterEach(() => {
  set.close();
  rmSync(directory, { recursive: true, force: true });
});

describe('files that change', () => {
  test('texts that did not change keep their policies, and a program made before stays as it was', () => {
    const before = set.program();
    const after = put(files({ 7: text(7, 'never') }));
    expect(after.id).toBe(anew(files({ 7: text(7, 'never') })).id);
    expect(after.id).not.toBe(before.id);
    expect(asked(before, 't7').reason).toBe('no');
    expect(asked(after, 't7').reason).toBe('never');
    expect(asked(after, 't8')).toEqual(asked(before, 't8'));
    const same = (program: Program) => inside(program).tables.request.rules.find(({ ref }) => ref === 'p8/r');
    expect(same(after)).toBe(same(before));
    expect(put(files()).id).toBe(before.id);
  });

  test('a change that is wrong is told with its place, and the next one is compiled as ever', () => {
    const before = set.program();
    expect(() => put(files({ 3: 'metadata: { id: x }\nrules: 1\n' }))).toThrow('f3.yaml:2:8');
    expect(() => put(files({ 3: text(4) }))).toThrow('the policy p4 stands twice');
    expect(set.program()).toBe(before);
    expect(put(files()).id).toBe(before.id);
  });

  test('many changes one after the other leave nothing behind', () => {
    const change: Record<number, string> = {};
    for (let i = 0; i < 700; i++) {
      change[(i * 13) % 200] = text((i * 13) % 200, `no${i}`);
      put(files(change));
    }
    const program = set.program();
    expect(program.id).toBe(anew(files(change)).id);
    const { slots, rules } = inside(program).tables.request;
    expect(rules).toHaveLength(200);
    expect(slots.length).toBeLessThan(600);
    for (const at of [0, 13, 199])
      expect(asked(program, `t${at}`)).toEqual(decideNaive(program, 'request', { team: { id: `t${at}` } }));
  });
});

describe('files that others are made of', () => {
  const house = (reason: string): PolicyText => ({
    path: 'house.yaml',
    text: text(500, reason).replace('id: p500', 'id: house'),
    library: true,
  });
  const made: PolicyText = { path: 'made.yaml', text: 'metadata: { id: made }\nextends: house\n' };

  test('are read once, are in force only through others, and change with their text', () => {
    const program = put([made, house('ours')]);
    expect(program.policies.map(({ id }) => id)).toEqual(['made']);
    expect(asked(program, 't500').reason).toBe('ours');
    const [first, second] = [texts.read([made, house('ours')]), texts.read([made, house('ours')])];
    expect(second.library[0]).toBe(first.library[0]);
    expect(asked(put([made, house('theirs')]), 't500').reason).toBe('theirs');
  });

  test('matter to nobody else where they are wrong, and to who is made of them', () => {
    const broken = { ...house('ours'), text: 'metadata: { id: house }\nrules: 1\n' };
    expect(put([...files(), broken]).id).toBe(anew(files()).id);
    expect(() => put([made, broken])).toThrow(/house/);
    expect(() => put([made, { ...broken, library: false }])).toThrow('house.yaml:2:8');
  });
});
