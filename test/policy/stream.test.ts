import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  checkPolicy,
  compile,
  decide,
  type PatternRef,
  type Policy,
  PolicyError,
  parsePolicies,
  planResponse,
  type ResponsePlan,
  Unable,
} from '../../src/policy/index.ts';

const placeholder = '[REDACTED:$' + '{type}]';

function one(rule: object, more: object = {}): readonly Policy[] {
  return parsePolicies(
    JSON.stringify({ metadata: { id: 'p' }, rules: [{ id: 'r', on: 'response', ...rule }], ...more }),
  );
}

function problemsOf(rule: object): string {
  try {
    one(rule);
    return '';
  } catch (thrown) {
    return (thrown as PolicyError).message;
  }
}

const is = (field: string, value: unknown, operator = 'eq') => ({ operator, field, value });
const both = (...conditions: object[]) => ({ operator: 'and', conditions });
const either = (...conditions: object[]) => ({ operator: 'or', conditions });
const deny = { decision: 'deny', reason: 'no' };
const redactPii = { decision: 'modify', redact: { rails: ['pii'] } };

describe('a response rule on a stream', () => {
  it('without any, nothing is searched for', () => {
    const program = compile(
      parsePolicies(JSON.stringify({ metadata: { id: 'p' }, rules: [{ id: 'r', action: deny }] })),
    );
    expect(planResponse(program, {})).toMatchObject({ mode: 'none', patterns: [], verdicts: [] });
  });

  it('holds back for what it denies or redacts, by single findings', () => {
    const condition = either(
      is('rails.pii.types', ['card', 'iban'], 'any'),
      is('response.text', 'TOP SECRET', 'contains'),
      is('response.text', 'K-[0-9]{4}', 'matches'),
    );
    const plan = planResponse(compile(one({ condition, action: { ...deny, status: 451, code: 'leak' } })), {});
    expect(plan.mode).toBe('hold_back');
    expect(plan.patterns).toEqual([
      { kind: 'rail', rail: 'pii', type: 'card' },
      { kind: 'rail', rail: 'pii', type: 'iban' },
      { kind: 'literal', id: 'r', text: 'TOP SECRET', ignoreCase: false },
      { kind: 'expression', id: 'r', source: 'K-[0-9]{4}' },
    ]);
    expect(plan.verdicts[0]).toEqual({ effect: 'deny', rule: 'p/r', status: 451, code: 'leak', reason: 'no' });
  });

  it('redacts its rails, expressions and literals where it has no condition', () => {
    const redact = { rails: ['secrets', 'pii/ssn'], patterns: ['a{2,3}'], literals: ['x'], with: '#' };
    const plan = planResponse(compile(one({ action: { decision: 'modify', redact } })), {});
    expect(plan.patterns).toEqual([
      { kind: 'rail', rail: 'secrets' },
      { kind: 'rail', rail: 'pii', type: 'us_ssn' },
      { kind: 'expression', id: 'r', source: 'a{2,3}' },
      { kind: 'literal', id: 'r', text: 'x', ignoreCase: false },
    ]);
    expect(plan.verdicts).toEqual(plan.patterns.map(() => ({ effect: 'redact', with: '#', rule: 'p/r' })));
  });

  it('is dropped where the request already decides that it cannot match', () => {
    const program = compile(
      one({ condition: both(is('team.tier', 'free'), is('rails.pii.found', true)), action: redactPii }),
    );
    expect(planResponse(program, { team: { tier: 'pro' } }).mode).toBe('none');
    expect(planResponse(program, { team: { tier: 'free' } })).toMatchObject({
      mode: 'hold_back',
      patterns: [{ kind: 'rail', rail: 'pii' }],
      verdicts: [{ effect: 'redact', with: placeholder }],
    });
  });

  it('buffers where the request decides that the reply is denied, or could not tell', () => {
    const program = compile(
      one({ condition: either(is('team.tier', 'free'), is('rails.pii.found', true)), action: deny }),
    );
    expect(planResponse(program, { team: { tier: 'free' } }).mode).toBe('buffer');
    expect(planResponse(program, { team: new Unable('no directory') }).mode).toBe('buffer');
    expect(planResponse(program, { team: { tier: 'pro' } }).mode).toBe('hold_back');
  });

  it('only looks on where it warns or audits, and a shadow rule does no more', () => {
    const condition = is('rails.pii.count', 3, 'gt');
    expect(planResponse(compile(one({ condition, action: { decision: 'warn' } })), {})).toMatchObject({
      mode: 'observe',
      patterns: [{ kind: 'rail', rail: 'pii' }],
      verdicts: [{ effect: 'note', rule: 'p/r', decision: 'warn' }],
    });
    const watched = one({ condition: is('rails.pii.found', true), action: deny }, { status: 'shadow' });
    expect(planResponse(compile(watched), {})).toMatchObject({
      mode: 'observe',
      verdicts: [{ effect: 'note', decision: 'deny' }],
    });
  });

  it.each([
    ['a count', is('rails.pii.count', 2, 'gt'), 'rails.pii.count gt is no single finding'],
    ['an absence', is('rails.pii.found', false), 'rails.pii.found eq is no single finding'],
    ['a negation', { operator: 'not', conditions: [is('rails.pii.found', true)] }, 'not asks for the absence'],
    [
      'two findings at once',
      both(is('rails.pii.found', true), is('rails.secrets.found', true)),
      'several findings at once',
    ],
    ['the end of the reply', is('response.tokens', 5, 'gt'), 'response.tokens is known at the end'],
    ['a rail that judges whole texts', is('rails.injection.found', true), 'the rail injection judges whole replies'],
  ])('that asks for %s is refused unless it buffers', (_name, condition, why) => {
    expect(problemsOf({ condition, action: deny })).toContain(why);
    expect(problemsOf({ condition, action: deny, stream: 'hold_back' })).toContain('use stream: buffer');
    expect(problemsOf({ condition, action: deny, stream: 'buffer' })).toBe('');
    expect(planResponse(compile(one({ condition, action: deny, stream: 'buffer' })), {}).mode).toBe('buffer');
  });

  it('may not redact what is out before its condition can be true', () => {
    const card = is('rails.pii.types', 'card', 'contains');
    expect(problemsOf({ condition: card, action: redactPii })).toContain(
      'pii, which may be released before the condition is true',
    );
    expect(problemsOf({ condition: card, action: { decision: 'modify', redact: { rails: ['pii/card'] } } })).toBe('');
    expect(
      problemsOf({
        condition: is('rails.pii.found', true),
        action: { decision: 'modify', redact: { rails: ['pii/card'] } },
      }),
    ).toBe('');
    expect(problemsOf({ action: redactPii, stream: 'observe' })).toContain('observe, which releases before it looks');
    expect(problemsOf({ action: redactPii, stream: 'window' })).toContain('window is not supported yet');
  });

  it('of several rules the strictest mode and the strictest verdict of a pattern stand', () => {
    const rules = [
      { id: 'warn', on: 'response', condition: is('rails.pii.found', true), action: { decision: 'warn' } },
      { id: 'redact', on: 'response', action: redactPii },
      {
        id: 'deny',
        on: 'response',
        condition: is('rails.pii.found', true),
        action: { ...deny, reason: 'found $' + '{rails.pii.types}' },
      },
      { id: 'audit', on: 'response', condition: is('rails.secrets.found', true), action: { decision: 'audit' } },
    ];
    const program = compile(parsePolicies(JSON.stringify({ metadata: { id: 'p' }, rules })));
    const plan = planResponse(program, {});
    expect(plan.mode).toBe('hold_back');
    expect(plan.patterns).toEqual([
      { kind: 'rail', rail: 'pii' },
      { kind: 'rail', rail: 'secrets' },
    ]);
    expect(plan.verdicts).toMatchObject([
      { effect: 'deny', rule: 'p/deny', code: 'content_blocked', reason: 'found pii' },
      { effect: 'note' },
    ]);
    // A matcher compiled from the list can be kept by its identity.
    expect(planResponse(program, { team: { tier: 'x' } }).patterns).toBe(plan.patterns);
  });

  it('is not considered below a final allow that the request decides', () => {
    const final = parsePolicies(
      JSON.stringify({
        metadata: { id: 'trusted', priority: 9 },
        rules: [
          { id: 'a', on: 'response', condition: is('team.tier', 'vip'), action: { decision: 'allow', final: true } },
        ],
      }),
    );
    const program = compile([...final, ...one({ condition: is('rails.pii.found', true), action: deny })]);
    expect(planResponse(program, { team: { tier: 'vip' } }).mode).toBe('none');
    expect(planResponse(program, { team: { tier: 'x' } }).mode).toBe('hold_back');
  });
});

const found = fc.constantFrom<PatternRef>(
  { kind: 'rail', rail: 'pii', type: 'card' },
  { kind: 'rail', rail: 'pii', type: 'email' },
  { kind: 'rail', rail: 'secrets', type: 'key' },
  { kind: 'literal', id: '', text: 'codename', ignoreCase: false },
);
const single = fc.constantFrom(
  is('rails.pii.found', true),
  is('rails.pii.types', 'card', 'contains'),
  is('rails.pii.types', ['card', 'email'], 'any'),
  is('rails.secrets.found', true),
  is('response.text', 'codename', 'contains'),
);
const request = fc.constantFrom(is('team.tier', 'free'), is('team.tier', 'free', 'ne'), is('llm.model', ['a'], 'in'));
const whole = fc.constantFrom(
  is('rails.pii.count', 1, 'gt'),
  is('rails.pii.found', false),
  is('response.finishReason', 'stop'),
);
const conditions = fc.oneof(
  single,
  fc.tuple(request, single).map((pair) => both(...pair)),
  fc.tuple(request, single).map((pair) => either(...pair)),
  fc.tuple(single, single).map((pair) => either(...pair)),
  fc.tuple(request, single, single).map(([a, b, c]) => both(a, either(b, c))),
  fc.tuple(single, whole).map((pair) => both(...pair)),
  fc.tuple(single, whole).map((pair) => either(...pair)),
  request,
);
const actions = fc.constantFrom<object>(
  deny,
  redactPii,
  { decision: 'modify', redact: { rails: ['pii/card', 'secrets'] } },
  { decision: 'modify', redact: { literals: ['codename'] } },
  { decision: 'warn' },
  { decision: 'audit' },
  { decision: 'allow', final: true },
);
const rule = fc.record({
  priority: fc.constantFrom(0, 5),
  condition: fc.option(conditions, { nil: undefined }),
  action: actions,
  stream: fc.constantFrom(undefined, undefined, 'hold_back', 'observe', 'buffer'),
});

/** Rules that can be kept in their mode; the others are refused at load. */
const program = fc.array(rule, { minLength: 1, maxLength: 4 }).map((rules) => {
  const kept = rules.flatMap(({ priority, condition, action, stream }, i) => {
    const value = {
      id: 'r',
      on: 'response',
      action,
      ...(condition === undefined ? {} : { condition }),
      ...(stream === undefined ? {} : { stream }),
    };
    try {
      return [
        checkPolicy({ metadata: { id: `p${i}`, version: '1.0.0', priority }, rules: [value] } as unknown as Policy),
      ];
    } catch (thrown) {
      if (thrown instanceof PolicyError) return [];
      throw thrown;
    }
  });
  return compile(kept, { default: 'allow', emptyAllowed: true });
});

const requests = fc.record({
  team: fc.oneof(fc.record({ tier: fc.constantFrom('free', 'pro') }), fc.constant(new Unable('down'))),
  llm: fc.record({ model: fc.constantFrom('a', 'b') }),
});

function matches(pattern: PatternRef, finding: PatternRef): boolean {
  if (pattern.kind === 'literal') return finding.kind === 'literal' && finding.text === pattern.text;
  return (
    pattern.kind === 'rail' &&
    finding.kind === 'rail' &&
    pattern.rail === finding.rail &&
    (pattern.type === undefined || pattern.type === finding.type)
  );
}

/** The reply's facts, as a guard would tell them from its findings. */
function reply(findings: readonly PatternRef[]) {
  const of = (rail: string) => {
    const own = findings.filter((finding) => finding.kind === 'rail' && finding.rail === rail);
    const types = [...new Set(own.map((finding) => (finding as { type: string }).type))];
    return { found: own.length > 0, types, count: own.length, score: own.length > 0 ? 1 : 0 };
  };
  const text = findings.some((finding) => finding.kind === 'literal') ? 'the codename is known' : 'nothing';
  return { rails: { pii: of('pii'), secrets: of('secrets') }, response: { text, finishReason: 'stop' } };
}

function verdictsOf(plan: ResponsePlan, findings: readonly PatternRef[]) {
  return findings.map((finding) => plan.verdicts.filter((_, i) => matches(plan.patterns[i]!, finding)));
}

describe('what the guard does and what the record says', () => {
  it('agree: a reply is cut exactly when decide denies it, and redacted exactly where decide redacts', () => {
    let held = 0;
    fc.assert(
      fc.property(program, requests, fc.array(found, { maxLength: 3 }), (compiled, facts, findings) => {
        const plan = planResponse(compiled, facts);
        const decision = decide(compiled, 'response', { ...facts, ...reply(findings) });
        const verdicts = verdictsOf(plan, findings);
        const denied = verdicts.flat().some((verdict) => verdict.effect === 'deny');
        if (denied) expect(decision.decision).toBe('deny');
        if (plan.mode === 'buffer') return;
        held++;
        expect(denied).toBe(!decision.allowed);
        if (denied) return;
        for (const [i, finding] of findings.entries()) {
          const redacted = verdicts[i]!.some((verdict) => verdict.effect === 'redact');
          const asked = decision.modifications.redact.some((redaction) => {
            const entry = finding.kind === 'rail' ? [finding.rail, `${finding.rail}/${finding.type}`] : [];
            return finding.kind === 'literal'
              ? redaction.literals.includes(finding.text)
              : redaction.rails.some((rail) => entry.includes(rail));
          });
          expect(redacted).toBe(asked);
        }
      }),
      { numRuns: 3_000 },
    );
    expect(held).toBeGreaterThan(300);
  });

  it('every pattern stands once, strictest first, with its verdict', () => {
    const rank = { deny: 0, redact: 1, note: 2 };
    fc.assert(
      fc.property(program, requests, (compiled, facts) => {
        const { patterns, verdicts, mode } = planResponse(compiled, facts);
        expect(verdicts.length).toBe(patterns.length);
        expect(new Set(patterns.map((pattern) => JSON.stringify({ ...pattern, id: '' }))).size).toBe(patterns.length);
        const ranks = verdicts.map((verdict) => rank[verdict.effect]);
        expect(ranks).toEqual([...ranks].sort());
        if (patterns.length > 0) expect(mode).not.toBe('none');
        if (verdicts.some((verdict) => verdict.effect === 'redact')) expect(['hold_back', 'buffer']).toContain(mode);
      }),
      { numRuns: 500 },
    );
  });

  it('a plan is the same whatever the program was asked before', () => {
    fc.assert(
      fc.property(program, fc.array(requests, { minLength: 2, maxLength: 5 }), (compiled, asked) => {
        const warm = asked.map((facts) => planResponse(compiled, facts));
        for (const [i, facts] of asked.entries()) {
          expect(planResponse(compiled, facts)).toBe(warm[i]);
          for (const [j, other] of asked.entries())
            if (JSON.stringify(facts) === JSON.stringify(other)) expect(warm[j]).toEqual(warm[i]);
        }
      }),
      { numRuns: 300 },
    );
  });

  it('a reason that tells of the request is told anew each time', () => {
    const reason = 'no secrets for $' + '{team.tier}';
    const compiled = compile(one({ condition: is('rails.secrets.found', true), action: { decision: 'deny', reason } }));
    for (const tier of ['free', 'pro']) {
      expect(planResponse(compiled, { team: { tier } }).verdicts).toMatchObject([
        { effect: 'deny', reason: `no secrets for ${tier}` },
      ]);
    }
  });
});
