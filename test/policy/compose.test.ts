import { describe, expect, it } from 'vitest';
import {
  compile,
  decide,
  explain,
  fmt,
  PolicyError,
  type PolicyProblem,
  parsePolicies,
  problemText,
  resolvePolicies,
} from '../../src/policy/index.ts';
import { versionRange } from '../../src/policy/version-range.ts';

const place = (name: string) => `$\{${name}}`;
const set = (...texts: string[]) => texts.flatMap((text, i) => parsePolicies(text, { file: `p${i}.yaml` }));
const program = (...texts: string[]) => compile(set(...texts), { default: 'allow' });
const problems = (use: () => unknown): readonly PolicyProblem[] => {
  try {
    use();
    return [];
  } catch (thrown) {
    if (!(thrown instanceof PolicyError)) throw thrown;
    return thrown.problems;
  }
};
const told = (use: () => unknown) => problems(use).map(problemText).join('\n');

describe('params', () => {
  it('have a type, declared or inferred, and rules read their values', () => {
    const text = `metadata: { id: p }
params:
  most: { type: number, default: 5, description: Dollars a call }
  tiers: { type: list, default: [free], enum: [[free], [pro]] }
  plain: 3
rules:
  - { id: a, when: llm.estimatedCost > params.most && team.tier in params.tiers, action: { decision: deny, reason: "over ${place('params.most')}" } }
`;
    const decision = decide(program(text), 'request', { llm: { estimatedCost: 6 }, team: { tier: 'free' } });
    expect(decision).toMatchObject({ decision: 'deny', reason: 'over 5' });
    expect(fmt(set(text)[0]!)).toContain('description: Dollars a call');
    expect(fmt(parsePolicies(fmt(set(text)[0]!))[0]!)).toBe(fmt(set(text)[0]!));
  });

  it.each([
    ['{ type: number, default: abc }', 'p0.yaml:2:27 the parameter default must be of type number'],
    ['{ type: integer, default: 1 }', 'type must be one of string, number, boolean, list'],
    ['{ type: number }', 'the parameter x needs a default'],
    ['{ type: string, default: c, enum: [a, b] }', 'must be one of "a", "b"'],
    ['{ type: string, default: a, enum: [1] }', 'enum must be a list of values of type string'],
    ['{ description: nothing }', 'a parameter needs a type'],
    ['{ type: number, default: 1, max: 2 }', 'unknown key max'],
  ])('are refused as %s', (given, message) => {
    const text = `metadata: { id: p }\nparams: { x: ${given} }\nrules: [{ id: a, action: { decision: allow } }]\n`;
    const found = told(() => set(text));
    expect(found.includes(message) || found.includes(message.replace(/^\S+ /, ''))).toBe(true);
  });
});

const capped = (rules: string, more = '') => `metadata: { id: p }
${more}templates:
  over:
    params: { usd: number, tier: { type: string, default: free } }
    rule:
      when: llm.estimatedCost > params.usd && team.tier == params.tier
      action: { decision: deny, reason: "over ${place('params.usd')} in ${place('params.tier')}" }
rules:
${rules}`;

describe('templates', () => {
  it('make rules, each with its own values', () => {
    const text = capped(
      `  - { id: free, template: over, with: { usd: 1 } }
  - { id: pro, template: over, with: { usd: 5, tier: pro }, tags: [dear] }
  - { id: soft, template: over, with: { usd: 0 }, action: { decision: warn, reason: "above ${place('params.usd')}" } }
  - { id: other, template: over, with: { usd: 7 }, condition: { operator: eq, field: team.tier, value: odd } }
`,
    );
    const compiled = program(text);
    const on = (estimatedCost: number, tier: string) =>
      decide(compiled, 'request', { llm: { estimatedCost }, team: { tier } });
    expect(on(2, 'free')).toMatchObject({ decision: 'deny', reason: 'over 1 in free', determining: ['p/free'] });
    expect(on(0.5, 'free')).toMatchObject({ decision: 'warn', reason: 'above 0' });
    expect(on(6, 'pro')).toMatchObject({ reason: 'over 5 in pro', tags: ['dear'] });
    expect(on(0, 'odd')).toMatchObject({ reason: 'over 7 in free' });
    expect(explain(compiled, 'request', { llm: { estimatedCost: 2 }, team: { tier: 'free' } }).text).toContain(
      'llm.estimatedCost',
    );
  });

  it('decide and hash the same however they are written, and are formatted as templates', () => {
    const text = capped('  - { id: free, template: over, with: { usd: 1 } }\n');
    const formatted = fmt(set(text)[0]!);
    expect(formatted).toContain('template: over');
    expect(program(formatted).id).toBe(program(text).id);
    expect(fmt(set(formatted)[0]!)).toBe(formatted);
  });

  it.each([
    [
      'an unknown template',
      '{ id: a, template: ovr, with: { usd: 1 } }',
      'there is no template ovr (did you mean over?)',
    ],
    ['a missing value', '{ id: a, template: over }', 'the parameter usd is missing'],
    ['a value of another type', '{ id: a, template: over, with: { usd: "1" } }', 'must be of type number'],
    ['an unknown value', '{ id: a, template: over, with: { usd: 1, euro: 2 } }', 'unknown parameter euro'],
  ])('refuse %s', (_name, rule, message) => {
    expect(told(() => set(capped(`  - ${rule}\n`)))).toContain(message);
  });

  it('tell what is wrong in a template where it stands', () => {
    const text = capped('  - { id: free, template: over, with: { usd: 1 } }\n').replace('team.tier ==', 'team.teir ==');
    const [problem] = problems(() => set(text));
    expect(problem).toMatchObject({ file: 'p0.yaml', line: 6 });
    expect(problemText(problem!)).toContain('unknown fact team.teir');
  });
});

const base = `metadata: { id: base, version: 1.4.0, priority: 7 }
params: { most: { type: number, default: 1 } }
applies_to: { team.tier: [free] }
rules:
  - { id: cost, when: llm.estimatedCost > params.most, action: { decision: deny, reason: "over ${place('params.most')}" } }
  - { id: note, action: { decision: warn, reason: noted } }
status: draft
`;

describe('extends', () => {
  it('takes the rules of another policy and changes them by their ids', () => {
    const child = `metadata: { id: child }
extends: base@^1.2.0
params: { most: 3 }
rules:
  - { id: note, enabled: false }
  - { id: mine, condition: { operator: eq, field: llm.model, value: x }, action: { decision: audit } }
`;
    const compiled = program(child, base);
    expect(compiled.policies.map(({ id, rules, priority }) => [id, rules, priority])).toEqual([
      ['base', 2, 7],
      ['child', 3, 7],
    ]);
    const free = { team: { tier: 'free' } };
    expect(decide(compiled, 'request', { ...free, llm: { estimatedCost: 4 } })).toMatchObject({
      decision: 'deny',
      reason: 'over 3',
      determining: ['child/cost'],
    });
    expect(decide(compiled, 'request', { ...free, llm: { estimatedCost: 2, model: 'x' } })).toMatchObject({
      decision: 'audit',
      matchedRules: ['child/mine'],
    });
    expect(decide(compiled, 'request', { team: { tier: 'pro' }, llm: { estimatedCost: 9 } }).matchedRules).toEqual([]);
    expect(decide(program(child, base), 'request', {}).matchedRules).toEqual([]);
    // Out of the set, the base serves all the same.
    const apart = compile(set(child), { default: 'allow', library: set(base) });
    expect(apart.policies.map(({ id }) => id)).toEqual(['child']);
  });

  it('is the same as the policy written out, in whatever order it is given', () => {
    const child =
      'metadata: { id: child, version: 2.0.0 }\nextends: base\nrules: [{ id: note, action: { decision: audit } }]\n';
    const flat = base
      .replace('id: base, version: 1.4.0', 'id: child, version: 2.0.0')
      .replace('status: draft\n', '')
      .replace('{ decision: warn, reason: noted }', '{ decision: audit }');
    expect(program(child, base).id).toBe(program(base, child).id);
    const of = (text: string, ...more: string[]) =>
      program(text, ...more).policies.find(({ id }) => id === 'child')!.hash;
    expect(of(child, base)).toBe(of(flat));
    expect(fmt(set(child)[0]!)).toContain('extends: base');
    expect(of(fmt(set(child)[0]!), base)).toBe(of(flat));
  });

  it('tells what is wrong where it stands, in whichever file', () => {
    const child = (more: string) => `metadata: { id: child }\nextends: { policy: base, version: "^1" }\n${more}`;
    const at = (more: string, other = base) => told(() => program(child(more), other));
    expect(at('params: { most: much }\n')).toMatch(/p0\.yaml:3:.* most must be of type number/);
    expect(at('rules:\n  - { id: cost, when: llm.estmatedCost > 1 }\n')).toMatch(/p0\.yaml:4:.*unknown fact/);
    expect(at('', base.replace('1.4.0', '2.0.0'))).toMatch(/p0\.yaml:2:.* of version \^1, and it is 2\.0\.0/);
    expect(told(() => program('metadata: { id: c }\nextends: bse\n', base))).toMatch(
      /p0\.yaml:2:10:? .*no such policy.*did you mean base/,
    );
    expect(told(() => set('metadata: { id: c }\nextends: base@latest\n'))).toContain('no range of versions');
    expect(told(() => set('metadata: { id: c }\nextends: base\nrules: [{ id: a }, { id: a }]\n'))).toContain('twice');
  });

  it('refuses to go in circles', () => {
    const a = 'metadata: { id: a }\nextends: b\n';
    const b = 'metadata: { id: b }\nextends: a\n';
    expect(told(() => program(a, b))).toMatch(/p1\.yaml:2:.*leads back to itself: a -> b -> a/);
    expect(told(() => program('metadata: { id: a }\nextends: a\n'))).toContain('leads back to itself: a -> a');
  });
});

describe('include', () => {
  const part = `metadata: { id: part, version: 1.0.0, priority: 1 }
params: { model: x }
rules:
  - { id: r, condition: { operator: eq, field: llm.model, value: "${place('params.model')}" }, action: { decision: deny, reason: part } }
status: draft
`;
  const whole = (include: string, more = '') => `metadata: { id: whole, priority: 10 }\n${more}include: ${include}\n`;

  it("puts another policy's rules in force as part of this one", () => {
    const text = whole(
      '{ policy: part, version: ">=1.0.0 <2.0.0", priority_offset: 5, when: team.tier == params.tier }',
      'params: { tier: free }\napplies_to: { project.environment: production }\n',
    );
    const compiled = program(text, part);
    expect(compiled.policies.map(({ id, priority, rules }) => [id, priority, rules])).toEqual([
      ['whole.part', 15, 1],
      ['whole', 10, 0],
      ['part', 1, 1],
    ]);
    const facts = { llm: { model: 'x' }, team: { tier: 'free' }, project: { environment: 'production' } };
    expect(decide(compiled, 'request', facts)).toMatchObject({ decision: 'deny', determining: ['whole.part/r'] });
    expect(decide(compiled, 'request', { ...facts, team: { tier: 'pro' } }).allowed).toBe(true);
    expect(decide(compiled, 'request', { ...facts, project: { environment: 'test' } }).allowed).toBe(true);
    expect(program(part, text).id).toBe(compiled.id);
    expect(fmt(set(text)[0]!)).toContain('priority_offset: 5');
  });

  it('goes through parts of parts, guards of all of them together', () => {
    const middle = 'metadata: { id: middle }\napplies_to: { team.tier: free }\ninclude: [part]\nstatus: disabled\n';
    const compiled = program(whole('{ policy: middle, when: user.region == "eu" }'), middle, part);
    const facts = { llm: { model: 'x' }, team: { tier: 'free' }, user: { region: 'eu' } };
    expect(decide(compiled, 'request', facts).determining).toEqual(['whole.middle.part/r']);
    expect(decide(compiled, 'request', { ...facts, team: {} }).allowed).toBe(true);
    expect(decide(compiled, 'request', { ...facts, user: {} }).allowed).toBe(true);
  });

  it('keeps what is only watched watched', () => {
    const shadow = program(`${whole('part')}status: shadow\n`, part);
    expect(decide(shadow, 'request', { llm: { model: 'x' } })).toMatchObject({
      allowed: true,
      shadowed: [{ rule: 'whole.part/r' }],
    });
    expect(program(`${whole('part')}status: disabled\n`, part).has('request')).toBe(false);
  });

  it('refuses circles, versions that do not fit, and conditions on what is found out', () => {
    expect(told(() => program(whole('whole')))).toContain('leads back to itself: whole -> whole');
    expect(told(() => program(whole('part@^2.0.0'), part))).toContain('of version ^2.0.0, and it is 1.0.0');
    expect(told(() => set(whole('{ policy: part, when: rails.pii.found }')))).toMatch(
      /p0\.yaml:2:.*facts of the request alone/,
    );
    expect(told(() => set(whole('{ policy: part, when: response.tokens > 1 }')))).toContain('once there is a reply');
    expect(told(() => set(whole('[]')))).toContain('1 to 100 policies');
    expect(told(() => set(`${whole('part')}within: []\n`))).toContain('unknown key within');
  });
});

describe('templates of a base', () => {
  const caps = capped('  - { id: free, template: over, with: { usd: 1 } }\n');
  const own = (rules: string, more = '') => `metadata: { id: own }\nextends: p\n${more}rules:\n${rules}`;
  const decided = (compiled: ReturnType<typeof compile>, estimatedCost: number, tier: string) => {
    const { decision, determining, reason } = decide(compiled, 'request', { llm: { estimatedCost }, team: { tier } });
    return `${decision} ${determining.join()} ${reason}`;
  };
  const alone = (...texts: string[]) => {
    const [policy, ...library] = set(...texts);
    return compile([policy!], { default: 'allow', library });
  };

  it('make rules of whoever extends it, and of whoever extends that', () => {
    const compiled = alone(
      `metadata: { id: last }\nextends: own\nrules:\n  - { id: team, template: over, with: { usd: 9, tier: team } }\n`,
      own('  - { id: pro, template: over, with: { usd: 5, tier: pro } }\n'),
      caps,
    );
    expect(decided(compiled, 2, 'free')).toBe('deny last/free over 1 in free');
    expect(decided(compiled, 6, 'pro')).toBe('deny last/pro over 5 in pro');
    expect(decided(compiled, 5, 'pro')).toMatch(/^allow/);
    expect(decided(compiled, 10, 'team')).toBe('deny last/team over 9 in team');
  });

  it('are replaced by one of the same name, for the rules of who says it', () => {
    const over = `templates:\n  over:\n    params: { usd: number }\n    rule: { when: llm.estimatedCost > params.usd, action: { decision: warn, reason: "about ${place('params.usd')}" } }\n`;
    const compiled = alone(own('  - { id: pro, template: over, with: { usd: 5 } }\n', over), caps);
    expect(decided(compiled, 6, 'pro')).toBe('warn own/pro about 5');
    expect(decided(compiled, 6, 'free')).toBe('deny own/free over 1 in free');
  });

  it('give values that an override changes one by one, and a rule that an override makes anew', () => {
    const changed = alone(own('  - { id: free, with: { usd: 3 } }\n'), caps);
    expect(decided(changed, 2, 'free')).toMatch(/^allow/);
    expect(decided(changed, 4, 'free')).toBe('deny own/free over 3 in free');
    const anew = alone(own('  - { id: free, template: over, with: { usd: 4, tier: pro } }\n'), caps);
    expect(decided(anew, 5, 'free')).toMatch(/^allow/);
    expect(decided(anew, 5, 'pro')).toBe('deny own/free over 4 in pro');
  });

  it('are the same as the policy written out, and are formatted as they stand', () => {
    const text = own('  - { id: pro, template: over, with: { usd: 5, tier: pro } }\n');
    const out = capped(
      '  - { id: free, template: over, with: { usd: 1 } }\n  - { id: pro, template: over, with: { usd: 5, tier: pro } }\n',
    ).replace('id: p', 'id: own');
    expect(alone(text, caps).id).toBe(program(out).id);
    const again = parsePolicies(fmt(set(text)[0]!), { file: 'p0.yaml' });
    expect(compile(again, { default: 'allow', library: set(caps) }).id).toBe(alone(text, caps).id);
  });

  it('tell what is missing, of the wrong type or unknown, where the rule stands', () => {
    const wrong = (rule: string) => told(() => alone(own(`  - ${rule}\n`), caps));
    expect(wrong('{ id: pro, template: oevr, with: { usd: 5 } }')).toContain(
      'p0.yaml:4:26: there is no template oevr (did you mean over?)',
    );
    expect(wrong('{ id: pro, template: over, with: { usd: five } }')).toMatch(
      /^p0\.yaml:4:\d+: .*usd must be of type number/,
    );
    expect(wrong('{ id: pro, template: over }')).toMatch(/^p0\.yaml:4:\d+: .*usd/);
  });
});

it('a set without composition is left as it is', () => {
  const plain = set('metadata: { id: a }\nrules: [{ id: r, action: { decision: allow } }]\n');
  expect(resolvePolicies(plain)).toBe(plain);
});

it.each([
  ['1.2.3', ['1.2.3'], ['1.2.4', '2.2.3']],
  ['1.2', ['1.2.0', '1.2.9'], ['1.3.0']],
  ['1.x', ['1.0.0', '1.9.9'], ['2.0.0']],
  ['*', ['0.0.0', '9.9.9'], []],
  ['^1.2.3', ['1.2.3', '1.9.0'], ['1.2.2', '2.0.0']],
  ['^0.2.3', ['0.2.3', '0.2.9'], ['0.3.0']],
  ['^0.0.3', ['0.0.3'], ['0.0.4']],
  ['~1.2.3', ['1.2.3', '1.2.9'], ['1.3.0']],
  ['>=1.2.0 <2.0.0', ['1.2.0', '1.99.0'], ['1.1.9', '2.0.0']],
  ['>1.2 <=1.4', ['1.3.0', '1.4.9'], ['1.2.9', '1.5.0']],
])('the range %s', (range, inside, outside) => {
  const fits = versionRange(range)!;
  expect(inside.filter((version) => !fits(version))).toEqual([]);
  expect(outside.filter(fits)).toEqual([]);
});
