import { expect, test } from 'vitest';
import { compile, decide, parsePolicies, withoutChanges } from '../../src/policy/index.ts';

/** The decision on a call that everything matches and nothing can be changed of. */
function decided(rules: readonly string[], more = '') {
  const text = `metadata: { id: p, name: P, version: 1.0.0 }\n${more}\nrules:\n${rules.map((rule) => `  - ${rule}`).join('\n')}\n`;
  const program = compile(parsePolicies(text), { default: 'allow' });
  return withoutChanges(program, 'request', decide(program, 'request', { llm: { model: 'm' } }));
}

const cap = '{ id: cap, action: { decision: modify, cap_max_tokens: 10, reason: short } }';
const cheap = '{ id: cheap, action: { decision: modify, substitute_model: small, reason: cheaper } }';
const tag = '{ id: tag, action: { decision: modify, add_tags: [seen], reason: noted } }';
const warn = '{ id: warn, action: { decision: warn, reason: careful } }';

test('a cap or a redaction that cannot be made denies, by the name of its rule', () => {
  expect(decided([warn, cap])).toMatchObject({
    decision: 'deny',
    allowed: false,
    reason: 'Could not be enforced: cap_max_tokens (the call goes through unread)',
    policyId: 'p',
    policyVersion: '1.0.0',
    determining: ['p/cap'],
    obligations: [],
    unable: [{ rule: 'p/cap', fact: 'cap_max_tokens', reason: 'uninspected' }],
  });
  const redact = '{ id: redact, action: { decision: modify, redact: { literals: [x] }, reason: private } }';
  expect(decided([redact])).toMatchObject({ allowed: false, determining: ['p/redact'] });
});

test('a change that protects nothing is left out, and told', () => {
  expect(decided([cheap])).toMatchObject({
    decision: 'allow',
    allowed: true,
    obligations: [],
    unable: [{ rule: 'p/cheap', fact: 'substitute_model', reason: 'uninspected' }],
  });
  expect(decided([cheap]).modifications.substituteModel).toBeUndefined();
});

const calm = '{ id: calm, action: { decision: throttle, limit: { requests: 3, per: team, window: hour } } }';
const seats = '{ id: seats, action: { decision: throttle, limit: { concurrent: 3, per: key } } }';
const tokens = '{ id: tokens, action: { decision: throttle, limit: { tokens: 3, per: key, window: hour } } }';
const ask = '{ id: ask, action: { decision: approve, role: boss } }';

test('limits on requests and calls at once stand, and so do approvals', () => {
  expect(decided([calm, seats])).toMatchObject({
    decision: 'throttle',
    allowed: true,
    modifications: { throttles: [{ rule: 'p/calm' }, { rule: 'p/seats' }] },
    unable: [],
  });
  expect(decided([ask, cheap])).toMatchObject({
    decision: 'approve',
    allowed: false,
    obligations: [{ type: 'approve', role: 'boss' }],
    unable: [{ rule: 'p/cheap' }],
  });
  expect(decided([ask, calm, cap])).toMatchObject({ decision: 'deny', determining: ['p/cap'] });
});

test('a limit on tokens cannot be kept, whatever stands beside it', () => {
  expect(decided([tokens, calm])).toMatchObject({ decision: 'deny', determining: ['p/tokens'] });
  const skipped = decided([tokens, calm], 'on_error: skip');
  expect(skipped).toMatchObject({ decision: 'throttle', unable: [{ rule: 'p/tokens', fact: 'throttle' }] });
  expect(skipped.modifications.throttles).toEqual([expect.objectContaining({ rule: 'p/calm' })]);
  expect(decided([tokens], 'on_error: skip')).toMatchObject({ decision: 'allow', obligations: [] });
});

test('on_error says otherwise', () => {
  expect(decided([cap], 'on_error: skip')).toMatchObject({ decision: 'allow', allowed: true });
  const warned = decided([cap], 'on_error: warn');
  expect(warned).toMatchObject({ decision: 'warn', allowed: true });
  expect(warned.warnings).toEqual(['Could not be enforced: cap_max_tokens (the call goes through unread)']);
  expect(decided([cheap], 'on_error: deny')).toMatchObject({ decision: 'deny', allowed: false });
});

test('what changes nothing of the call stands', () => {
  expect(decided([warn])).toMatchObject({ decision: 'warn', warnings: ['careful'], unable: [] });
  expect(decided([tag]).modifications.addTags).toEqual(['seen']);
  expect(decided([tag, cheap]).modifications.addTags).toEqual(['seen']);
});
