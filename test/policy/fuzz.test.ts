import fc from 'fast-check';
import { describe, expect, it, test } from 'vitest';
import { compile, decide, evaluateExpression, PolicyError, parsePolicies } from '../../src/policy/index.ts';

/** Generous: what is tested is that there is an end, on any machine. */
const deadline_ms = 240_000;

function refusal(text: string): string {
  try {
    parsePolicies(text, { file: 'f.yaml' });
  } catch (thrown) {
    if (thrown instanceof PolicyError) return thrown.message;
    throw thrown;
  }
  return 'accepted';
}

const fill = (unit: string, characters: number) => unit.repeat(Math.floor(characters / unit.length));
const big = 3_000_000;
const rule = (id: string) =>
  `  - { id: ${id}, condition: { operator: eq, field: team.id, value: ${id} }, action: { decision: deny } }\n`;

describe('documents that are meant to hurt', () => {
  test.each([
    ['ten megabytes', fill('[', 10_000_000), 'longer than 8388608 characters'],
    ['brackets without end', fill('[', big), 'nested deeper than 64'],
    ['braces without end', fill('{a: ', big), 'nested deeper than 64'],
    ['brackets and braces', fill('[{"a": ', big), 'nested deeper than 64'],
    ['dashes without end', fill('- ', big), 'nested deeper than 64'],
    ['keys within keys', fill('a: ', big), 'nested deeper than 64'],
    ['questions without end', fill('? ', big), 'nested deeper than 64'],
    ['documents without end', fill('---\n', big), 'more than 20000 documents'],
    ['anchors without end', fill('&a ', big), 'words and signs'],
    ['aliases without end', fill('*a ', big), 'words and signs'],
    ['empty lines without end', `${fill('\n', big)}a: &x 1`, 'words and signs'],
    ['a hundred thousand keys', Array.from({ length: 100_000 }, (_, i) => `k${i}: 1\n`).join(''), 'unknown key k0'],
    ['one long text', `a: ${fill('x', big)}`, 'unknown key a'],
    ['comments alone', fill('# x\n', big), 'words and signs'],
  ])('%s: a clear error', { timeout: deadline_ms }, (_, text, message) => {
    const told = refusal(text);
    expect(told).toContain(message);
    expect(told.length).toBeLessThan(100_000);
  });

  test('an alias bomb is refused', { timeout: deadline_ms }, () => {
    const levels = Array.from({ length: 12 }, (_, i) => `l${i + 1}: &l${i + 1} [${fill(`*l${i},`, 40)}*l${i}]`);
    expect(refusal(`l0: &l0 [x]\n${levels.join('\n')}\n`)).toMatch(/too many (aliases|values)/);
  });

  test('more rules than a file may hold are refused, and as many in several files are decided on', {
    timeout: deadline_ms,
  }, () => {
    const policy = (id: number) =>
      `metadata: { id: p${id} }\nrules:\n${Array.from({ length: 10_000 }, (_, i) => rule(`r${id}-${i}`)).join('')}`;
    const files = Array.from({ length: 6 }, (_, id) => policy(id));
    expect(refusal(files.join('---\n'))).toContain('more than 50000 rules in a file');
    expect(
      refusal(`metadata: { id: p }\nrules:\n${Array.from({ length: 10_001 }, (_, i) => rule(`r${i}`)).join('')}`),
    ).toContain('a policy may have 10000 rules');
    const program = compile(
      files.flatMap((text) => parsePolicies(text)),
      { default: 'allow' },
    );
    expect(decide(program, 'request', { team: { id: 'r5-9999' } }).matchedRules).toEqual(['p5/r5-9999']);
    expect(decide(program, 'request', { team: { id: 'nobody' } }).allowed).toBe(true);
  });

  const policyWith = (condition: unknown) =>
    JSON.stringify({ metadata: { id: 'p' }, rules: [{ id: 'r', condition, action: { decision: 'deny' } }] });

  test('conditions within conditions, and lists without end, have bounds', { timeout: deadline_ms }, () => {
    let deep: unknown = { operator: 'exists', field: 'team.id' };
    for (let i = 0; i < 60; i++) deep = { operator: 'not', conditions: [deep] };
    expect(refusal(policyWith(deep))).toMatch(/nest(ed)? deeper than/);
    const many = Array.from({ length: 100_000 }, () => ({ operator: 'exists', field: 'team.id' }));
    expect(refusal(policyWith({ operator: 'or', conditions: many }))).toContain('more than 1000 comparisons');
    const values = Array.from({ length: 200_000 }, (_, i) => `v${i}`);
    expect(refusal(policyWith({ operator: 'in', field: 'team.id', value: values }))).toContain(
      'a list of 1 to 10000 values',
    );
    expect(refusal(policyWith({ operator: 'in', field: 'team.id', value: values.slice(0, 10_000) }))).toBe('accepted');
  });

  test.each(['(a+)+$', '(a|aa)+$', '(.*a){20}$', '^(([a-z])+.)+[A-Z]([a-z])+$', '(x+x+)+y'])(
    'the pattern %s ends on what a backtracker never would',
    { timeout: deadline_ms },
    (pattern) => {
      const [policy] = parsePolicies(policyWith({ operator: 'matches', field: 'llm.prompt', value: pattern }));
      const prompt = `${fill('a', 20_000)}!`;
      expect(decide(compile([policy!], { default: 'allow' }), 'request', { llm: { prompt } }).unable).toEqual([]);
      expect(evaluateExpression(`text.matches("${pattern}")`, { text: prompt })).toHaveProperty('value');
    },
  );

  test.each(['(?=a)', '(a)\\1', '(?<!a)b', '(a{1000}){1000}', '[', `${fill('(', 900)}`])(
    'the pattern %s is refused',
    (pattern) => {
      expect(refusal(policyWith({ operator: 'matches', field: 'llm.prompt', value: pattern }))).toContain('f.yaml:1:');
    },
  );

  test.each(['__proto__', 'constructor', 'toString', 'hasOwnProperty', 'prototype', 'valueOf'])(
    'the name %s is no fact, no key and no parameter of anybody',
    (name) => {
      for (const field of [name, `llm.${name}`, `${name}.id`, `metadata.${name}`, `team.id.${name}`])
        if (name !== 'prototype' || !field.startsWith('metadata'))
          expect(refusal(policyWith({ operator: 'eq', field, value: 'x' }))).toContain('unknown fact');
      expect(refusal(`{ "metadata": { "id": "p" }, "${name}": {}, "rules": [] }`)).toMatch(/unknown key|may not be/);
      expect(refusal(policyWith({ operator: 'eq', field: 'team.id', value: `\${params.${name}}` }))).toContain(
        'unknown parameter',
      );
      expect(({} as Record<string, unknown>).polluted).toBeUndefined();
    },
  );
});

describe('documents and expressions at random', () => {
  const name = fc.oneof(
    fc.constantFrom(
      'metadata',
      'id',
      'rules',
      'condition',
      'conditions',
      'operator',
      'field',
      'value',
      'action',
      'decision',
    ),
    fc.constantFrom(
      'when',
      'params',
      'applies_to',
      'status',
      'on',
      'redact',
      'function',
      'args',
      '__proto__',
      'constructor',
    ),
    fc.string({ maxLength: 6 }),
  );
  const word = fc.oneof(
    fc.constantFrom(
      'p',
      'deny',
      'allow',
      'modify',
      'eq',
      'and',
      'not',
      'in',
      'matches',
      'team.id',
      'llm.prompt',
      'rails.pii.found',
    ),
    fc.string({ maxLength: 12 }),
    fc.integer(),
    fc.boolean(),
    fc.constant(null),
  );
  const { value } = fc.letrec((tie) => ({
    value: fc.oneof(
      { maxDepth: 6 },
      word,
      fc.array(tie('value'), { maxLength: 4 }),
      fc.dictionary(name, tie('value'), { maxKeys: 5 }),
    ),
  }));

  it('a document is loaded or refused with its file, never anything else', { timeout: deadline_ms }, () => {
    fc.assert(
      fc.property(
        fc.oneof(
          value.map((one) => JSON.stringify(one)),
          fc.string({ maxLength: 60 }),
        ),
        (text) => {
          const told = refusal(text);
          expect(told === 'accepted' || told.startsWith('f.yaml')).toBe(true);
        },
      ),
      { numRuns: 2_000 },
    );
  });

  it('an expression has a value or an error, never anything else', { timeout: deadline_ms }, () => {
    const sign = fc.constantFrom(
      ...['(', ')', '[', ']', '{', '}', '.', ',', '?', ':', '!', '-', '+', '*', '/', '%', '==', '&&', '||', ' in '],
    );
    const part = fc.oneof(
      sign,
      fc.constantFrom(
        ...[
          'x',
          'y',
          'size',
          'matches',
          'all',
          'exists',
          'map',
          'has',
          'true',
          'null',
          '1',
          '2.5',
          '0u',
          '"a"',
          "r'\\'",
          'b"x"',
          '\u00e9',
        ],
      ),
      fc.string({ maxLength: 3 }),
    );
    fc.assert(
      fc.property(fc.array(part, { maxLength: 14 }), (parts) => {
        const outcome = evaluateExpression(parts.join(''), { x: 1, y: ['a', 2] });
        expect('value' in outcome || typeof outcome.error.message === 'string').toBe(true);
      }),
      { numRuns: 3_000 },
    );
  });

  test.each([
    ['brackets', fill('(', 9_000)],
    ['negations', `${fill('!', 9_000)}true`],
    ['sums', `1${fill('+1', 9_000)}`],
    ['lists', fill('[', 9_000)],
    ['conditionals', `${fill('true?1:', 9_000)}1`],
    ['members', `x${fill('.x', 9_000)}`],
    [
      'loops',
      '[1,2,3,4,5,6,7,8,9,10].all(a, [1,2,3,4,5,6,7,8,9,10].all(b, [1,2,3,4,5,6,7,8,9,10].all(c, [1,2,3,4,5,6,7,8,9,10].all(d, true))))',
    ],
    [
      'a text that doubles',
      `[${fill('1,', 400)}1].map(a, "${fill('x', 500)}").map(b, b + b + b + b).map(c, c + c + c + c) != []`,
    ],
  ])('%s: a value or a clear error', { timeout: deadline_ms }, (_, text) => {
    const outcome = evaluateExpression(text, { x: {} });
    expect('value' in outcome || outcome.error.message.length < 2_000).toBe(true);
  });
});
