import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { decide, PolicyError, parsePolicies } from '../../src/policy/index.ts';
import {
  type Base,
  openPolicyFiles,
  openPolicySet,
  type PolicyChange,
  type PolicySet,
} from '../../src/registry/index.ts';
import { eventually } from '../support/wait.ts';

const text = (id: string, { model = 'gpt-4o', version = '1.0.0', extra = '' } = {}) => `
metadata: { id: ${id}, name: About ${id}, version: ${version}${extra} }
rules:
  - id: no
    condition: { operator: eq, field: llm.model, value: ${model} }
    action: { decision: deny, reason: Not this model }
`;
const base: Base = {
  policies: parsePolicies(text('filed', { model: 'filed' }), { file: 'policies/cost/filed.yaml' }),
  default: 'allow',
};

let directory: string;
const open = new Set<PolicySet>();
function openSet(more: { onProblem?: (error: Error) => void; base?: Base } = {}): PolicySet {
  const set = openPolicySet({
    shelf: openPolicyFiles(directory, { poll_ms: 50 }),
    base,
    clock: () => Date.UTC(2026, 0, 5),
    ...more,
  });
  open.add(set);
  return set;
}
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'llm-policy-shelf-'));
});
afterEach(() => {
  for (const set of open) set.close();
  open.clear();
  rmSync(directory, { recursive: true, force: true });
});

const denies = (set: PolicySet, model: string) => !decide(set.program(), 'request', { llm: { model } }).allowed;

describe('managed policies', () => {
  test('are in force together with those of files, at once, and after another start', async () => {
    const set = openSet();
    expect(await set.load([text('one')], 'jane')).toMatchObject([
      { id: 'one', namespace: 'default', version: '1.0.0', source: 'managed', readonly: false, rules: 1 },
    ]);
    for (const one of [set, openSet()]) {
      expect([denies(one, 'gpt-4o'), denies(one, 'filed'), denies(one, 'other')]).toEqual([true, true, false]);
      expect(one.list().map(({ id, source, category }) => [id, source, category])).toEqual([
        ['filed', 'file', 'cost'],
        ['one', 'managed', 'other'],
      ]);
    }
    expect(set.get('one')?.text).toContain('id: one');
    expect(set.get('nothing')).toBeUndefined();
  });

  test('are loaded all or none', async () => {
    const set = openSet();
    const before = set.program();
    await expect(set.load([text('one'), 'metadata: { id: two }'], 'jane')).rejects.toThrow(PolicyError);
    // Each is fine alone; together they cannot both have their way.
    const wants = (id: string, model: string) =>
      text(id).replace('decision: deny', `decision: modify, substitute_model: ${model}`);
    await expect(set.load([wants('a', 'x'), wants('b', 'y')], 'jane')).rejects.toThrow(/different values/);
    expect(set.program()).toBe(before);
    expect([set.revision, set.versions('one', 'default'), set.versions('a', 'default')]).toEqual([0, [], []]);
    expect(openSet().revision).toBe(0);
  });

  test('what a file defines cannot be loaded, unloaded or rolled back', async () => {
    const set = openSet();
    const refused = { name: 'PolicyRefusal', reason: 'readonly', message: /policies\/cost\/filed\.yaml/ };
    for (const change of [
      () => set.load([text('one'), text('filed')], 'jane'),
      () => set.unload('filed', 'default', 'jane'),
      () => set.rollback('filed', 'default', 1, 'jane'),
    ]) {
      const thrown = await change().catch((error: unknown) => error);
      expect(thrown).toMatchObject({ name: refused.name, reason: refused.reason });
      expect((thrown as Error).message).toMatch(refused.message);
    }
    expect(set.revision).toBe(0);
  });

  test('keep every version: who, when, what; a rollback publishes the old content as a new one', async () => {
    const set = openSet();
    await set.load([text('one')], 'jane', { tests: 3 });
    await set.load([text('one', { model: 'other', version: '2.0.0', extra: ', change_summary: Another' })], 'joe');
    expect([denies(set, 'gpt-4o'), denies(set, 'other')]).toEqual([false, true]);
    await set.rollback('one', 'default', 1, 'jill');
    expect([denies(set, 'gpt-4o'), denies(set, 'other')]).toEqual([true, false]);
    const [first, second, third] = set.versions('one', 'default');
    const at = '2026-01-05T00:00:00.000Z';
    expect(first).toEqual({ number: 1, version: '1.0.0', hash: first!.hash, by: 'jane', at, tests: 3 });
    expect(second).toMatchObject({ number: 2, version: '2.0.0', by: 'joe', change_summary: 'Another' });
    expect(third).toEqual({ ...first, number: 3, by: 'jill', rollback_of: 1 });
    await expect(set.rollback('one', 'default', 9, 'jill')).rejects.toMatchObject({ reason: 'unknown' });
    await expect(set.rollback('two', 'default', 1, 'jill')).rejects.toMatchObject({ reason: 'unknown' });
  });

  test('the same content is no new version', async () => {
    const set = openSet();
    await set.load([text('one')], 'jane');
    const [, , ...lines] = text('one').split('\n');
    await set.load(
      [`\n# The same in other words\nmetadata: {version: 1.0.0, name: About one, id: one}\n${lines.join('\n')}`],
      'joe',
    );
    expect([set.versions('one', 'default').length, set.revision]).toEqual([1, 1]);
  });

  test('can be taken out of force, and come back by a rollback', async () => {
    const set = openSet();
    await set.load([text('one')], 'jane');
    expect([await set.unload('one', 'default', 'jane'), await set.unload('one', 'default', 'jane')]).toEqual([
      true,
      false,
    ]);
    expect([denies(set, 'gpt-4o'), set.get('one'), set.versions('one', 'default').length]).toEqual([
      false,
      undefined,
      1,
    ]);
    await set.rollback('one', 'default', 1, 'jane');
    expect(denies(set, 'gpt-4o')).toBe(true);
  });

  test('the same id may stand in two namespaces', async () => {
    const set = openSet();
    await set.load(
      [text('one', { extra: ', namespace: a' }), text('one', { model: 'b', extra: ', namespace: b' })],
      'jane',
    );
    expect(set.get('one')).toBeUndefined();
    expect(set.get('one', 'b')?.namespace).toBe('b');
    await set.load([text('one', { model: 'c' })], 'jane');
    expect(set.get('one')?.namespace).toBe('default');
  });
});

describe('several processes', () => {
  test('see what one of them publishes', async () => {
    const [one, other] = [openSet(), openSet()];
    const told: PolicyChange[] = [];
    const stop = other.subscribe((change) => told.push(change));
    await one.load([text('one')], 'jane');
    await eventually(() => denies(other, 'gpt-4o'));
    await one.unload('one', 'default', 'jane');
    await eventually(() => !denies(other, 'gpt-4o'));
    expect(told).toMatchObject([
      { revision: 1, loaded: ['default/one'], unloaded: [] },
      { revision: 2, program: one.program().id, loaded: [], unloaded: ['default/one'] },
    ]);
    stop();
    await one.load([text('two')], 'jane');
    await eventually(() => other.get('two') !== undefined);
    expect(told.length).toBe(2);
  });

  test('that publish at the same time lose nothing', async () => {
    const sets = [openSet(), openSet(), openSet()];
    await Promise.all(sets.flatMap((set, at) => [1, 2, 3].map((n) => set.load([text(`p${at}-${n}`)], 'jane'))));
    const last = openSet();
    expect([last.revision, last.list().length]).toEqual([9, 10]);
    await eventually(() => sets.every(({ revision }) => revision === 9));
  });

  test('where one cannot compile it, that one keeps what it had and says why', async () => {
    const problems: string[] = [];
    const one = openSet();
    const clashing = { policies: parsePolicies(text('mine'), { file: 'mine.yaml' }), default: 'allow' } as const;
    const other = openSet({ base: clashing, onProblem: (error) => problems.push(error.message) });
    await one.load([text('mine', { model: 'x' })], 'jane');
    await eventually(() => /mine stands twice/.test(problems.join()));
    expect([denies(other, 'gpt-4o'), denies(other, 'x')]).toEqual([true, false]);
  });
});

describe('other files', () => {
  test('are compiled with what is published before they are put in force', async () => {
    const set = openSet();
    await set.load([text('one')], 'jane');
    expect(() => set.rebase({ ...base, policies: parsePolicies(text('one', { model: 'x' })) })).toThrow(
      /one stands twice/,
    );
    const next = set.rebase({ policies: parsePolicies(text('next', { model: 'next' })), default: 'allow' });
    expect([denies(set, 'next'), denies(set, 'filed')]).toEqual([false, true]);
    next.commit();
    expect([denies(set, 'next'), denies(set, 'filed'), denies(set, 'gpt-4o')]).toEqual([true, false, true]);
    expect(set.program().id).toBe(next.program.id);
  });

  test('and what was published meanwhile is in force with them', async () => {
    const set = openSet();
    const next = set.rebase({ policies: parsePolicies(text('next', { model: 'next' })), default: 'allow' });
    await set.load([text('one')], 'jane');
    next.commit();
    expect([denies(set, 'next'), denies(set, 'gpt-4o')]).toEqual([true, true]);
  });
});

describe('on disk', () => {
  const manifest = () => join(directory, 'manifest.json');
  const only = (folder: string) => join(folder, readdirSync(folder).find((name) => name.endsWith('.yaml'))!);

  test('a manifest that is broken or gone, and a text that was changed, are refused: nothing is allowed by a lost file', async () => {
    const set = openSet();
    await set.load([text('one')], 'jane');
    set.close();
    const whole = readFileSync(manifest(), 'utf8');
    writeFileSync(manifest(), whole.slice(0, 40));
    expect(openSet).toThrow(/is not a list of published policies/);
    rmSync(manifest());
    expect(openSet).toThrow(/is gone/);
    writeFileSync(manifest(), whole);
    const file = only(join(directory, 'texts'));
    writeFileSync(file, readFileSync(file, 'utf8').replace('deny', 'warn'));
    expect(openSet).toThrow(/was changed/);
  });

  test('while it runs, what was in force stays', async () => {
    const problems: string[] = [];
    const set = openSet({ onProblem: (error) => problems.push(error.message) });
    await set.load([text('one')], 'jane');
    writeFileSync(manifest(), '{');
    await eventually(() => /not a list of published policies/.test(problems.join()));
    expect(denies(set, 'gpt-4o')).toBe(true);
    await expect(set.load([text('two')], 'jane')).rejects.toThrow(/not a list of published policies/);
    expect(denies(set, 'gpt-4o')).toBe(true);
  });

  test('a process that dies while it publishes leaves what was there before', async () => {
    const set = openSet();
    await set.load([text('one')], 'jane');
    // Texts come first, and a manifest is written beside the one it replaces.
    writeFileSync(join(directory, 'texts', `${'0'.repeat(64)}.yaml`), 'half');
    writeFileSync(`${manifest()}.1.abc`, '{"format": 1, "rev');
    expect([openSet().revision, denies(openSet(), 'gpt-4o')]).toEqual([1, true]);
    expect(existsSync(join(directory, 'lock'))).toBe(false);
  });
});
