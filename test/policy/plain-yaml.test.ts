import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it, test } from 'vitest';
import { stringify } from 'yaml';
import { parsePolicies } from '../../src/policy/index.ts';
import { readPlainYaml } from '../../src/policy/plain-yaml.ts';
import { compose } from '../../src/policy/source.ts';

const limits = { depth: 32, documents: 100, values: 10_000 };

/** Where the plain reader answers, the whole language must have said the same, and found nothing wrong. */
function agrees(text: string): boolean {
  const plainly = readPlainYaml(text, limits);
  if (plainly === undefined) return false;
  const { documents, problems } = compose(text, 'file');
  expect(problems).toEqual([]);
  expect(plainly).toEqual(documents.map(({ value, place }) => ({ value, ...place([], 'value') })));
  return true;
}

const shipped = readdirSync(join(import.meta.dirname, '../../policies'), { recursive: true, encoding: 'utf8' })
  .filter((file) => /\.ya?ml$/.test(file))
  .map((file) => readFileSync(join(import.meta.dirname, '../../policies', file), 'utf8'));

const written = `# A policy
metadata: { id: p, name: 'It''s a policy', version: "1.2.0", tags: [a, b-c] }
status: active   # for now

params:
  cap_usd: 1.5
  on: -3
  none:
  - a
  - "b \\" c"
rules:
- id: r
  when: llm.estimatedCost > params.cap_usd && team.tier == "free" # dear
  action: {decision: deny, reason: Cost is https://example.com/a?b=c, status: 403}
- id: s
  condition:
    operator: and
    conditions:
      - { operator: eq, field: team.tier, value: true }
  action: { decision: allow }
---
{ "metadata": { "id": "q" }, "rules": [
  { "id": "t", "action": { "decision": "allow" } } ] }
`;

describe('the plain part of YAML', () => {
  test('policies as they are usually written are plain', () => {
    expect(agrees(written)).toBe(true);
    expect(readPlainYaml(written, limits)).toHaveLength(2);
    expect(agrees(JSON.stringify({ a: [1, -2.5, true, null, 'x: y', '# no'], b: { c: '' } }, null, 2))).toBe(true);
    expect(agrees('a: 1\n---\nb: 2\n---\nc: [x, y]')).toBe(true);
  });

  test('shipped policies are read alike', () => {
    expect(shipped.length).toBeGreaterThan(5);
    for (const text of shipped) agrees(text);
  });

  test.each([
    ['an alias', 'a: &x 1\nb: *x\n'],
    ['a tag', 'a: !!str 1\n'],
    ['a block text', 'a: |\n  b\n'],
    ['a text over two lines', 'a: b\n  c\n'],
    ['a key twice', 'a: 1\na: 2\n'],
    ['a key twice in braces', 'a: { b: 1, "b": 2 }\n'],
    ['a key that is no text', 'true: 1\n'],
    ['a prototype', '{ "__proto__": 1 }\n'],
    ['a prototype by indentation', '__proto__:\n  a: 1\n'],
    ['a merge', 'a:\n  <<: { b: 1 }\n'],
    ['a tab', 'a:\t1\n'],
    ['a number in octal', 'a: 0o7\n'],
    ['a number with a leading zero', 'a: 007\n'],
    ['a number without end', 'a: .inf\n'],
    ['a mapping within a line', 'a: b: c\n'],
    ['a dash alone', 'a:\n  -\n'],
    ['a directive', '%YAML 1.2\n---\na: 1\n'],
    ['an end', 'a: 1\n...\n'],
    ['nothing', ''],
    ['an empty document', 'a: 1\n---\n---\nb: 1\n'],
    ['a value alone', 'a\n'],
    ['brackets over lines in a block', 'a: [b,\nc]\n'],
    ['deep brackets', `a: ${'['.repeat(1_000)}${']'.repeat(1_000)}\n`],
    ['a lone surrogate', 'a: \ud800\n'],
    ['another end of lines', 'a: b\u2028c: d\n'],
  ])('%s is left to the whole language', (_, text) => {
    expect(readPlainYaml(text, limits)).toBeUndefined();
  });

  const key = fc.oneof(
    fc.stringMatching(/^[a-z_][\w.-]{0,8}$/),
    fc.constantFrom('on', 'yes', 'null', 'a b', '1', 'constructor'),
  );
  const scalar = fc.oneof(
    fc.string(),
    fc.constantFrom('x: y', 'x #y', '- a', '0x1f', '1.2.0', '1e3', 'http://a/b', '$x', '~', 'no', "it's"),
    fc.integer(),
    fc.double({ noNaN: true, noDefaultInfinity: true }),
    fc.boolean(),
    fc.constant(null),
  );
  const { tree } = fc.letrec((tie) => ({
    tree: fc.oneof(
      { maxDepth: 4 },
      scalar,
      fc.array(tie('tree'), { maxLength: 4 }),
      fc.dictionary(key, tie('tree'), { maxKeys: 4, noNullPrototype: true }),
    ),
  }));
  const document = fc.dictionary(key, tree, { minKeys: 1, maxKeys: 4, noNullPrototype: true });

  it('says of every written document what the whole language says, or nothing', () => {
    let answered = 0;
    fc.assert(
      fc.property(document, fc.nat(2), fc.boolean(), (value, collection, indented) => {
        const style = { indentSeq: indented, lineWidth: 0 } as const;
        const text =
          collection === 2
            ? JSON.stringify(value, null, 1)
            : stringify(value, { ...style, collectionStyle: collection === 1 ? 'flow' : 'any' });
        if (agrees(text)) answered++;
      }),
      { numRuns: 2_000 },
    );
    expect(answered).toBeGreaterThan(500);
  });

  it('says of every damaged document what the whole language says, or nothing', () => {
    const piece = fc.constantFrom(
      ...['\n', ' ', '  ', ': ', ':', '- ', '-', '#', ' #', '"', "'", '{', '}', '[', ']', ',', '\\', '---', '...', '&'],
      ...['*', '|', '>', '!', '?', '%', '@', '0', '~', 'a: ', '\n- ', '\n  ', '\n---\n', '\t', 'null', '\u00e9', '.'],
    );
    const source = fc.constantFrom(written, ...shipped.map((text) => text.slice(0, 1_500)));
    const edit = fc.record({ at: fc.double({ min: 0, max: 1, noNaN: true }), cut: fc.nat(4), piece });
    fc.assert(
      fc.property(source, fc.array(edit, { minLength: 1, maxLength: 4 }), (text, edits) => {
        let damaged = text;
        for (const { at, cut, piece } of edits) {
          const from = Math.floor(at * damaged.length);
          damaged = damaged.slice(0, from) + piece + damaged.slice(from + cut);
        }
        agrees(damaged);
      }),
      { numRuns: 3_000 },
    );
  });

  test('places of what is wrong are those of the text', () => {
    const text = written.replace('status: 403', 'status: 900').replace('value: true', 'value: free');
    expect(readPlainYaml(text, limits)).toBeDefined();
    expect(() => parsePolicies(text, { file: 'f.yaml' })).toThrow('f.yaml:14:79: status must be');
  });
});
