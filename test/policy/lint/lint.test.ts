import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  Coverage,
  checkPolicy,
  compile,
  type Decision,
  decide,
  type FactTree,
  lint,
  type Policy,
  PolicyError,
  parsePolicies,
  withFact,
} from '../../../src/policy/index.ts';
import { FALSE, TRUE } from '../../../src/policy/leaf.ts';
import { unboundedIn } from '../../../src/policy/lint/unbounded.ts';
import { inside } from '../../../src/policy/program.ts';
import { facts, policies } from '../arbitrary.ts';

function linted(text: string, tested?: Coverage) {
  const file = 'p.yaml';
  const parsed = parsePolicies(text, { file });
  return lint({ program: compile(parsed, { default: 'allow' }), policies: parsed, files: [{ file, text }], tested });
}

const rule = (id: string, condition: string, action: string) =>
  `  - id: ${id}\n    condition: ${condition}\n    action: ${action}\n`;
const policy = (id: string, priority: number, ...rules: string[]) =>
  `metadata: { id: ${id}, priority: ${priority} }\nrules:\n${rules.join('')}`;
const free = '{ operator: eq, field: team.tier, value: free }';
const dear = (over: number) => `{ operator: gt, field: llm.estimatedCost, value: ${over} }`;
const codes = (text: string) => linted(text).findings.map(({ code, rule: of }) => `${of} ${code}`);

describe('lint', () => {
  it('finds rules that can never match, or always do, with the reason and the place', () => {
    const text = policy(
      'p',
      0,
      rule(
        'never',
        `{ operator: and, conditions: [${dear(3)}, { operator: lt, field: llm.estimatedCost, value: 2 }] }`,
        '{ decision: deny, reason: no }',
      ),
      rule(
        'always',
        `{ operator: or, conditions: [${free}, { operator: ne, field: team.tier, value: free }] }`,
        '{ decision: warn, reason: so }',
      ),
      rule(
        'part',
        `{ operator: or, conditions: [${dear(9)}, { operator: and, conditions: [${free}, { operator: eq, field: team.tier, value: pro }] }] }`,
        '{ decision: audit }',
      ),
    );
    const { findings, unanalysed } = linted(text);
    expect(unanalysed).toEqual([]);
    expect(findings).toMatchObject([
      { line: 4, column: 5, code: 'always-false', severity: 'error', rule: 'p/never', message: 'it can never match' },
      { line: 7, code: 'always-true', rule: 'p/always' },
      {
        line: 10,
        code: 'always-false',
        rule: 'p/part',
        message: expect.stringContaining('team.tier is free and team.tier is pro'),
      },
    ]);
    expect(findings[0]?.proof).toEqual(['llm.estimatedCost is below 2 and llm.estimatedCost is over 3']);
  });

  it('finds what a final allow keeps from being reached, and shows it', () => {
    const text = `${policy('high', 10, rule('let', free, '{ decision: allow, final: true }'))}---\n${policy(
      'low',
      0,
      rule('deny-free-dear', `{ operator: and, conditions: [${free}, ${dear(1)}] }`, '{ decision: deny, reason: no }'),
      rule('deny-dear', dear(5), '{ decision: deny, reason: no }'),
    )}`;
    expect(linted(text).findings).toMatchObject([
      {
        code: 'unreachable',
        rule: 'low/deny-free-dear',
        other: 'high/let',
        facts: { 'team.tier': 'free', 'llm.estimatedCost': 2 },
        decision: 'allow by high/let',
      },
    ]);
  });

  it('does not call a rule unreachable that an undecided fact lets through', () => {
    const either = `{ operator: or, conditions: [${dear(1)}, { operator: lte, field: llm.estimatedCost, value: 1 }, { operator: not, conditions: [{ operator: exists, field: llm.estimatedCost }] }] }`;
    const text = `${policy('high', 10, rule('let', either, '{ decision: allow, final: true }'))}---\n${policy('low', 0, rule('deny', free, '{ decision: deny, reason: no }'))}`;
    expect(codes(text)).toEqual(['high/let always-true']);
  });

  it('finds what a deny leaves without effect, duplicates, and rules that contradict each other', () => {
    const same = '{ decision: deny, reason: no }';
    const text = policy(
      'p',
      0,
      rule('over-five', dear(5), '{ decision: deny, reason: dear }'),
      rule(
        'cheaper',
        `{ operator: and, conditions: [${free}, ${dear(7)}] }`,
        '{ decision: modify, substitute_model: small }',
      ),
      rule('one', free, same),
      rule('again', '{ operator: in, field: team.tier, value: [free] }', same),
      rule('hot', dear(1), '{ decision: modify, set: { temperature: 1 } }'),
      rule('cold', dear(2), '{ decision: modify, set: { temperature: 0 } }'),
    );
    expect(codes(text)).toEqual(['p/cheaper shadowed', 'p/again duplicate', 'p/cold contradictory']);
    const [, , clash] = linted(text).findings;
    expect(clash).toMatchObject({
      other: 'p/hot',
      facts: { 'llm.estimatedCost': 3 },
      decision: 'modify by p/hot, p/cold',
    });
  });

  const some = (over: number, tier = free) => `{ operator: and, conditions: [${tier}, ${dear(over)}] }`;
  const limit = (requests: number, more = '') =>
    `{ decision: throttle, limit: { requests: ${requests}, per: team, window: minute }${more} }`;

  it.each([
    ['a looser limit on calls that a stricter one counts', dear(1), limit(5), some(2), limit(9), 'p/b shadowed'],
    ['the same limit on some of the calls', dear(1), limit(5), some(2), limit(5), 'p/b shadowed'],
    ['a stricter limit below a looser one', dear(1), limit(9), some(2), limit(5), undefined],
    ['another window', dear(1), limit(5), some(2), limit(9).replace('minute', 'hour'), undefined],
    ['another scope', dear(1), limit(5), some(2), limit(9).replace('per: team', 'per: user'), undefined],
    ['other calls', some(2), limit(5), dear(1), limit(9), undefined],
    [
      'a limit that a deny leaves without calls',
      dear(1),
      '{ decision: deny, reason: no }',
      some(2),
      limit(9),
      'p/b shadowed',
    ],
    [
      'an approval by the same people',
      dear(1),
      '{ decision: approve, role: boss }',
      some(2),
      '{ decision: approve, role: boss }',
      'p/b shadowed',
    ],
    [
      'an approval by other people',
      dear(1),
      '{ decision: approve, role: boss }',
      some(2),
      '{ decision: approve, role: chief }',
      undefined,
    ],
    [
      'an approval that is over sooner',
      dear(1),
      '{ decision: approve, role: boss }',
      some(2),
      '{ decision: approve, role: boss, ttl_seconds: 60 }',
      undefined,
    ],
    ['an approval where calls are limited', dear(1), limit(5), some(2), '{ decision: approve, role: boss }', undefined],
    [
      'a route that another one stands before',
      dear(1),
      '{ decision: modify, route_to: [eu] }',
      some(2),
      '{ decision: modify, route_to: [us] }',
      'p/b contradictory, p/b shadowed',
    ],
    [
      'a route and a text for the model',
      dear(1),
      '{ decision: modify, route_to: [eu] }',
      some(2),
      '{ decision: modify, route_to: [eu], prepend_system: Be brief. }',
      undefined,
    ],
    [
      'a model where there is a route',
      dear(1),
      '{ decision: modify, route_to: [eu] }',
      some(2),
      '{ decision: modify, substitute_model: small }',
      undefined,
    ],
    [
      'a cap above another',
      dear(1),
      '{ decision: modify, cap_max_tokens: 10 }',
      some(2),
      '{ decision: modify, cap_max_tokens: 20 }',
      'p/b shadowed',
    ],
    [
      'a cap below another',
      dear(1),
      '{ decision: modify, cap_max_tokens: 20 }',
      some(2),
      '{ decision: modify, cap_max_tokens: 10 }',
      undefined,
    ],
    [
      'more retries than another allows',
      dear(1),
      '{ decision: modify, retry: { max: 1 } }',
      some(2),
      '{ decision: modify, retry: { when: [upstream_error], max: 3 } }',
      'p/b shadowed',
    ],
    [
      'retries after other failures',
      dear(1),
      '{ decision: modify, retry: { when: [upstream_timeout], max: 1 } }',
      some(2),
      '{ decision: modify, retry: { when: [upstream_error], max: 3 } }',
      undefined,
    ],
  ])('knows what becomes of %s', (_what, of, does, when, action, expected) => {
    const text = policy('p', 0, rule('a', of, does), rule('b', when, action));
    expect(codes(text).join(', ')).toBe(expected ?? '');
    const [claim] = linted(text).findings;
    // The proof is facts on which both match, as they were decided on.
    if (claim !== undefined) expect(claim.facts).toMatchObject({ 'team.tier': 'free', 'llm.estimatedCost': 3 });
  });

  it('claims nothing of a rule that is counted, tagged or alerted on, whatever else becomes of it', () => {
    for (const more of ['    metrics: [dear]\n', '    tags: [dear]\n', '    audit: { alert: true }\n']) {
      const shadowed = `${policy('p', 0, rule('a', dear(1), '{ decision: deny, reason: no }'), rule('b', some(2), limit(3)))}${more}`;
      expect(codes(shadowed), more).toEqual([]);
      const outdone = `${policy('p', 0, rule('a', dear(1), limit(3)), rule('b', some(2), limit(3)))}${more}`;
      expect(codes(outdone), more).toEqual([]);
      const twice = `${policy('p', 0, rule('a', free, limit(3)), rule('b', free, limit(3)))}${more}`;
      expect(codes(twice), more).toEqual([]);
    }
    expect(codes(policy('p', 0, rule('a', free, limit(3)), rule('b', free, limit(3))))).toEqual(['p/b duplicate']);
  });

  it('does not say that a rule changes nothing where a final allow may end what stands before it', () => {
    const end = policy(
      'end',
      9,
      rule('let', '{ operator: eq, field: user.id, value: root }', '{ decision: allow, final: true }'),
    );
    const two = `${policy('high', 20, rule('b', some(2), limit(9)))}---\n${policy('low', 0, rule('a', dear(1), limit(5)))}`;
    expect(codes(`${two}---\n${end}`)).toEqual([]);
    expect(codes(two)).toEqual(['high/b shadowed']);
  });

  it('tells of a policy that extends another what its own text says', () => {
    const base = policy('base', 0, rule('a', free, '{ decision: deny }')).replace(
      'rules:',
      'params: { unused: 1 }\nrules:',
    );
    const own = `metadata: { id: own }\nextends: base\nparams: { more: 2 }\nrules:\n${rule('b', dear(1), '{ decision: deny }')}`;
    const parse = (text: string, file: string) => parsePolicies(text, { file });
    const [library, policies] = [parse(base, 'base.yaml'), parse(own, 'own.yaml')];
    const program = compile(policies, { default: 'allow', library });
    const { findings } = lint({ program, policies, files: [{ file: 'own.yaml', text: own }] });
    expect(findings.map(({ line, code, rule: of }) => `${line} ${of} ${code}`)).toEqual([
      '3 own unused-parameter',
      '7 own/b missing-reason',
    ]);
  });

  it('tells what it did not analyse, and claims nothing of it', () => {
    const text =
      'metadata: { id: p }\nrules:\n  - id: r\n    when: size(user.roles) > 3 && size(user.roles) < 2\n    action: { decision: audit }\n';
    expect(linted(text)).toMatchObject({ findings: [], unanalysed: [{ rule: 'p/r' }] });
  });

  it('sees how a policy is written', () => {
    const text = `metadata: { id: p }
params: { used: 1, asked: [a], idle: 2 }
rules:
  - id: silent
    condition: { operator: gt, field: llm.estimatedCost, value: "\${params.used}" }
    action: { decision: deny }
  - id: slow
    when: user.roles.exists(a, a.matches("^x") || a.matches("y$")) || team.id in params.asked
    action: { decision: audit }
  - id: wide
    on: response
    stream: buffer
    action: { decision: modify, redact: { patterns: ['secret=.*'] } }
`;
    const { findings } = linted(text, new Coverage());
    expect(findings.map(({ line, column, code, rule: of }) => `${line}:${column} ${code} ${of}`)).toEqual([
      '1:1 missing-test p',
      '2:32 unused-parameter p',
      '6:5 missing-reason p/silent',
      '8:5 slow-rule p/slow',
      '13:5 unbounded-pattern p/wide',
    ]);
  });

  it('knows which parts of a pattern have no end', () => {
    for (const source of ['a.*b', '[^x]+', '\\S+', '.{3,}', 'x[\\s\\S]*']) expect(unboundedIn(source)).toBeDefined();
    for (const source of ['\\d+', '[a-z]+', '.{0,20}', '\\.*', '[^x]{1,9}', 'a\\[^x]+'])
      expect(unboundedIn(source)).toBeUndefined();
  });

  it('has nothing to say of a shipped policy by itself', () => {
    const root = join(import.meta.dirname, '../../../policies');
    const names = readdirSync(root, { recursive: true, encoding: 'utf8' }).filter((name) =>
      /(?<!policytest)\.yaml$/.test(name),
    );
    expect(names.length).toBeGreaterThan(50);
    const said = names.flatMap((name) => {
      const text = readFileSync(join(root, name), 'utf8');
      return linted(text).findings.map(({ code, message }) => `${name} ${code} ${message}`);
    });
    expect(said).toEqual([]);
  });
});

describe('what lint claims', () => {
  function compiled(set: readonly Policy[]) {
    try {
      return compile(set, { default: 'allow' });
    } catch (thrown) {
      if (thrown instanceof PolicyError) return undefined;
      throw thrown;
    }
  }

  /** The set without one rule of it, and as it would be decided then. */
  const withoutRule = (set: readonly Policy[], ref: string) =>
    compile(
      set.flatMap((one) => {
        const rules = one.rules.filter(({ id }) => `${one.metadata.id}/${id}` !== ref);
        return rules.length === 0 ? [] : [checkPolicy({ ...one, rules })];
      }),
      { default: 'allow', emptyAllowed: true },
    );
  /** What a decision has done to a call: of limits on the same calls the strictest, and who has to approve. */
  const weighed = ({ decision, modifications, obligations }: Decision) => {
    const { throttles = [], ...rest } = modifications;
    const limits: Record<string, number> = {};
    for (const { unit, per, window_ms, limit: most } of throttles) {
      const name = `${unit} ${per} ${window_ms}`;
      limits[name] = Math.min(most, limits[name] ?? most);
    }
    const approvals = obligations.flatMap((one) => (one.type === 'approve' ? [one] : []));
    const roles = new Set(approvals.map(({ role }) => role));
    return { decision, rest, limits, roles, ttl: Math.min(...approvals.map(({ ttl_seconds }) => ttl_seconds)) };
  };

  it('holds for all facts that are tried', () => {
    const seen = new Map<string, number>();
    fc.assert(
      fc.property(
        policies(fc.constantFrom('active', 'active', 'shadow')),
        fc.array(facts, { minLength: 60, maxLength: 60 }),
        (set, given) => {
          const program = compiled(set);
          if (program === undefined) return;
          const { rules } = inside(program).tables.request;
          const test = (ref: string | undefined, tree: FactTree) =>
            rules.find((one) => one.ref === ref)?.test?.(tree) ?? TRUE;
          for (const { code, rule: of, other, message, facts: shown } of lint({ program, policies: set, files: [] })
            .findings) {
            seen.set(code, (seen.get(code) ?? 0) + 1);
            const outdone = code === 'shadowed' && !message.endsWith('denies');
            const without = outdone ? withoutRule(set, of) : undefined;
            if (outdone) seen.set('outdone', (seen.get('outdone') ?? 0) + 1);
            for (const tree of given) {
              const decision = decide(program, 'request', tree);
              if (code === 'always-false' && !message.startsWith('a part')) expect(test(of, tree)).not.toBe(TRUE);
              if (code === 'always-true' && !message.startsWith('a part')) expect(test(of, tree)).not.toBe(FALSE);
              if (code === 'duplicate') expect(test(of, tree) === TRUE).toBe(test(other, tree) === TRUE);
              if (code === 'unreachable') expect(decision.matchedRules).not.toContain(of);
              if (outdone) {
                const [own, other] = [decision, decide(without ?? program, 'request', tree)];
                if (own.decision === 'deny' || !own.matchedRules.includes(of)) continue;
                expect(weighed(own)).toEqual(weighed(other));
              } else if (code === 'shadowed' && decision.matchedRules.includes(of)) {
                expect(decision.decision).toBe('deny');
                expect(decision.determining[0]).not.toBe(of);
              }
            }
            if (code !== 'contradictory' || shown === undefined) continue;
            const tree = Object.entries(shown).reduce(
              (tree: FactTree, [name, value]) => withFact(tree, name, value),
              {},
            );
            expect(decide(program, 'request', tree).overridden.length).toBeGreaterThan(0);
          }
        },
      ),
      { numRuns: 250, seed: 7 },
    );
    for (const code of [
      'always-false',
      'always-true',
      'duplicate',
      'unreachable',
      'shadowed',
      'outdone',
      'contradictory',
    ])
      expect(seen.get(code) ?? 0, code).toBeGreaterThan(0);
  });
});
