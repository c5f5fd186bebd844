import { describe, expect, it } from 'vitest';
import { compile, decide, explain, parsePolicies, recordFacts, Unable } from '../../src/policy/index.ts';

const fact = (name: string) => `$\{${name}}`;
const program = (rules: readonly object[], more: object = {}) =>
  compile(parsePolicies(JSON.stringify({ metadata: { id: 'p' }, rules, ...more })), { default: 'allow' });
const is = (field: string, value: unknown, operator = 'eq') => ({ operator, field, value });
const deny = { decision: 'deny' };

describe('what a program needs', () => {
  it('is the facts its rules and reasons read, phase by phase', () => {
    const compiled = program(
      [
        { id: 'a', condition: is('llm.model', 'x'), action: { decision: 'deny', reason: `not ${fact('user.id')}` } },
        { id: 'b', on: 'settle', condition: is('response.cost', 1, 'gt'), action: { decision: 'audit' } },
      ],
      { applies_to: { 'team.tier': ['free'] } },
    );
    expect([...compiled.needs('request').facts].sort()).toEqual(['llm.model', 'team.tier', 'user.id']);
    expect([...compiled.needs('settle').facts].sort()).toEqual(['response.cost', 'team.tier']);
    expect(compiled.needs('request').rails.size).toBe(0);
  });

  it('is just the types of a rail that rules name, and all where one asks for any', () => {
    const types = { id: 't', condition: is('rails.pii.types', ['card', 'credit_card', 'iban'], 'any'), action: deny };
    const redact = { id: 'r', action: { decision: 'modify', redact: { rails: ['pii/email', 'secrets'] } } };
    expect(program([types]).needs('request').rails).toEqual(new Map([['pii', new Set(['card', 'iban'])]]));
    expect(program([types, redact]).needs('request').rails).toEqual(
      new Map<string, unknown>([
        ['pii', new Set(['card', 'iban', 'email'])],
        ['secrets', 'all'],
      ]),
    );
    expect(
      program([types, { id: 'c', condition: is('rails.pii.count', 1, 'gt'), action: deny }])
        .needs('request')
        .rails.get('pii'),
    ).toBe('all');
    expect(program([types]).needs('response').rails.size).toBe(0);
  });

  it('leaves out policies and rules that are off', () => {
    const rules = [{ id: 'a', enabled: false, condition: is('rails.pii.found', true), action: deny }];
    expect(program(rules).needs('request').facts.size).toBe(0);
    expect(program([{ ...rules[0], enabled: true }], { status: 'draft' }).needs('request').facts.size).toBe(0);
  });
});

describe('an explanation', () => {
  it('tells of each comparison what it was compared with, what it was and what came of it', () => {
    const condition = {
      operator: 'and',
      conditions: [
        is('team.tier', 'free'),
        is('llm.estimatedCost', 1, 'gt'),
        is('user.region', 'eu'),
        is('llm.prompt', 'secret', 'contains'),
      ],
    };
    const facts = { team: { tier: 'free' }, llm: { estimatedCost: new Unable('no price'), prompt: 'a secret' } };
    const explained = explain(program([{ id: 'r', condition, action: deny }]), 'request', facts);
    expect(explained.rules).toMatchObject([
      {
        rule: 'p/r',
        outcome: 'false',
        condition: {
          operator: 'and',
          conditions: [
            { field: 'team.tier', value: 'free', actual: 'free', outcome: 'true', holds: true },
            { field: 'llm.estimatedCost', outcome: 'unable', holds: false, why: 'no price' },
            { field: 'user.region', outcome: 'missing', holds: false },
            { field: 'llm.prompt', outcome: 'true', actual: '(text of 8 characters)' },
          ],
        },
      },
    ]);
    expect(explained.text).toContain('? llm.estimatedCost gt 1 [unable: no price]');
    expect(explained.text).not.toContain('a secret');
  });
});

describe('the facts of a record', () => {
  it('are those the rules read, texts only as a hash', () => {
    const compiled = program([
      { id: 'r', condition: is('llm.prompt', 'x', 'contains'), action: deny },
      {
        id: 's',
        condition: {
          operator: 'or',
          conditions: [is('llm.model', 'a'), is('llm.estimatedCost', 1, 'gt'), is('user.id', 'u')],
        },
        action: deny,
      },
    ]);
    const facts = { llm: { prompt: 'hello', model: 'm', estimatedCost: new Unable('no price'), temperature: 1 } };
    expect(recordFacts(compiled, 'request', facts, (text) => `hmac:${text.length}`)).toEqual({
      'llm.prompt': 'hmac:5',
      'llm.model': 'm',
      'llm.estimatedCost': 'unable: no price',
    });
    expect(JSON.stringify(recordFacts(compiled, 'request', facts))).not.toContain('hello');
  });
});

describe('a reason', () => {
  it('holds facts in words, short and on one line whatever the caller sent', () => {
    const compiled = program([
      {
        id: 'r',
        action: {
          decision: 'deny',
          reason: `${fact('metadata.note')} costs ${fact('llm.estimatedCost')}, roles ${fact('user.roles')}, ${fact('team.id')}`,
        },
      },
    ]);
    const decision = decide(compiled, 'request', {
      metadata: { note: 'a\r\nset-cookie: x\u202e' },
      llm: { estimatedCost: 0.5 },
      user: { roles: ['a', 'b'] },
    });
    expect(decision.reason).toBe('a set-cookie: x  costs 0.5, roles a, b, (unknown)');
    expect(decide(compiled, 'request', { metadata: { note: 'y'.repeat(5_000) } }).reason.length).toBeLessThan(300);
  });
});

describe('obligations', () => {
  it('merge: caps take the smallest, redactions unite, of two values the higher stands and the other is overridden', () => {
    const policy = (id: string, priority: number, action: object) => ({
      metadata: { id, priority },
      rules: [{ id: 'r', action: { decision: 'modify', ...action } }],
    });
    const set = [
      policy('high', 2, {
        substitute_model: 'a',
        cap_max_tokens: 900,
        redact: { rails: ['pii'] },
        set: { temperature: 0 },
        add_tags: ['x'],
      }),
      policy('low', 1, {
        substitute_model: 'b',
        cap_max_tokens: 100,
        redact: { literals: ['q'], with: '-' },
        set: { temperature: 1, seed: 7 },
        remove: ['user'],
        add_tags: ['x', 'y'],
      }),
    ];
    const decision = decide(
      compile(parsePolicies(set.map((one) => JSON.stringify(one)).join('\n---\n'))),
      'request',
      {},
    );
    expect(decision).toMatchObject({
      decision: 'modify',
      determining: ['high/r', 'low/r'],
      overridden: ['low/r'],
      modifications: {
        substituteModel: 'a',
        capMaxTokens: 100,
        redact: [
          { rails: ['pii'], patterns: [], literals: [], rule: 'high/r' },
          { rails: [], literals: ['q'], with: '-', rule: 'low/r' },
        ],
        set: { temperature: 0, seed: 7 },
        remove: ['user'],
        addTags: ['x', 'y'],
      },
    });
    expect(decision.obligations.map((obligation) => obligation.type)).toEqual([
      ...['substitute_model', 'cap_max_tokens', 'redact', 'set', 'add_tags'],
      ...['substitute_model', 'cap_max_tokens', 'redact', 'set', 'remove', 'add_tags'],
    ]);
  });

  it('that let the limit be lowered to what is affordable keep the largest minimum, beside a cap', () => {
    const rule = (id: string, cap: unknown) => ({ id, action: { decision: 'modify', cap_max_tokens: cap } });
    const limits = (...caps: unknown[]) =>
      decide(program(caps.map((cap, at) => rule(`r${at}`, cap))), 'request', {}).modifications;
    expect(limits('affordable')).toMatchObject({ affordableTokensMin: 1 });
    expect(limits('affordable').capMaxTokens).toBeUndefined();
    expect(limits('affordable', { affordable_tokens_min: 64 }, 500)).toMatchObject({
      affordableTokensMin: 64,
      capMaxTokens: 500,
    });
    expect(limits(500).affordableTokensMin).toBeUndefined();
  });

  it('of the record merge to the highest severity, and an alert if any asks for one', () => {
    const rules = [
      { id: 'a', action: { decision: 'audit' }, audit: { content: 'none', severity: 'low' }, tags: ['one'] },
      {
        id: 'b',
        action: { decision: 'audit', audit: { content: 'none', severity: 'high', alert: true }, tags: ['two'] },
      },
    ];
    expect(decide(program(rules), 'request', {})).toMatchObject({
      audit: { content: 'none', severity: 'high', alert: true },
      tags: ['one', 'two'],
    });
  });
});
