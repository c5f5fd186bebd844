import { expressionMisfit } from './operators.ts';
import { readFact } from './parse-condition.ts';
import { type Action, type AuditWish, effects, type Json, type Phase, type RedactWish } from './policy.ts';
import { nearest } from './problem.ts';
import { decisionName, publishedAction } from './published.ts';
import { canonicalType, isRail, railNames, railStreams, typeMisfit } from './rails.ts';
import { defined, isObject, type JsonObject, type Reader } from './reader.ts';
import type { Path } from './source.ts';
import { type Params, placesIn, withParams } from './template.ts';

const obligations = ['substitute_model', 'cap_max_tokens', 'redact', 'set', 'remove', 'add_tags'] as const;
const keysOf: Readonly<Record<string, readonly string[]>> = {
  deny: ['status', 'code'],
  allow: ['final'],
  modify: obligations,
  dryrun: ['action'],
};
const enforceable: Readonly<Record<Phase, readonly string[]>> = {
  request: obligations,
  response: ['redact', 'add_tags'],
  settle: ['add_tags'],
};
const laterDecisions = ['throttle', 'approve'];
const laterKeys = [
  'route_to',
  'prepend_system',
  'retry',
  'limit',
  'queue_ms',
  'metrics',
  'input_filters',
  'output_filters',
];

// Fields of a request body that have an obligation of their own, or that would undo what other rules decided.
const guarded: Readonly<Record<string, string>> = {
  model: 'use substitute_model',
  max_tokens: 'use cap_max_tokens',
  max_completion_tokens: 'use cap_max_tokens',
  max_output_tokens: 'use cap_max_tokens',
  messages: 'use redact',
  input: 'use redact',
  prompt: 'use redact',
  system: 'use redact',
  stream: 'the caller reads the reply as it asked for it',
};

export interface ActionScope {
  readonly reader: Reader;
  readonly phase: Phase;
  readonly params: Params;
}

/** Reads an action; what cannot be enforced in the rule's phase is a problem. */
export function readAction(
  value: Json | undefined,
  path: Path,
  scope: ActionScope,
  wrapped = false,
): Action | undefined {
  const { reader, phase } = scope;
  const raw = isObject(value) ? publishedAction(value) : value;
  const decision = isObject(raw)
    ? reader.oneOf(
        decisionName(raw.decision),
        [...path, 'decision'],
        wrapped ? effects : ([...effects, 'dryrun'] as const),
        laterDecisions,
      )
    : undefined;
  const own = decision === undefined ? Object.values(keysOf).flat() : (keysOf[decision] ?? []);
  const given = reader.object(raw, path, ['decision', 'reason', 'metadata', 'audit', 'tags', ...own], laterKeys);
  if (decision === undefined) {
    if (isObject(raw) && raw.decision === undefined) reader.fault(path, 'an action needs a decision');
    return undefined;
  }
  if (decision === 'deny' && phase === 'settle') {
    reader.fault(
      [...path, 'decision'],
      'deny cannot be enforced on: settle, the reply is already out; use warn or audit',
    );
  }
  return defined({
    decision,
    reason: readReason(given.reason, [...path, 'reason'], scope),
    status: reader.integer(given.status, [...path, 'status'], 400, 599),
    code: reader.text(given.code, [...path, 'code'], {
      like: /^[a-z][a-z0-9_]{0,63}$/,
      what: 'a code such as model_not_allowed',
    }),
    final: reader.flag(given.final, [...path, 'final']),
    ...(decision === 'modify' ? readObligations(given, path, scope) : {}),
    metadata: isObject(given.metadata) ? given.metadata : undefined,
    action: decision === 'dryrun' ? readAction(given.action ?? null, [...path, 'action'], scope, true) : undefined,
  });
}

function readReason(value: Json | undefined, path: Path, { reader, phase, params }: ActionScope): string | undefined {
  const reason = reader.text(value, path, { max: 1_000 });
  const filled = reason === undefined ? undefined : withParams(reason, params);
  if (typeof filled !== 'string') return reason;
  for (const name of placesIn(filled)) {
    if (name.startsWith('params.')) continue;
    const fact = readFact(name, path, reader, phase);
    if (fact?.text === true)
      reader.fault(path, `${fact.name} may not stand in a reason: it would show the text to whoever reads it`);
  }
  return reason;
}

function readObligations(given: JsonObject, path: Path, scope: ActionScope): Partial<Action> {
  const { reader, phase } = scope;
  const asked = obligations.filter((name) => given[name] !== undefined);
  if (asked.length === 0) reader.fault(path, `modify needs at least one of ${enforceable[phase].join(', ')}`);
  for (const name of asked) {
    if (enforceable[phase].includes(name)) continue;
    reader.fault(
      [...path, name],
      `${name} cannot be enforced on: ${phase}; ${enforceable[phase].join(', ')} can`,
      undefined,
      'key',
    );
  }
  const model = reader.text(given.substitute_model, [...path, 'substitute_model'], { max: 200 });
  return {
    ...(model === undefined ? {} : { substitute_model: model }),
    ...readCap(given.cap_max_tokens, [...path, 'cap_max_tokens'], scope),
    ...(given.redact === undefined ? {} : { redact: readRedact(given.redact, [...path, 'redact'], scope) }),
    ...(given.set === undefined ? {} : { set: readSet(given.set, [...path, 'set'], scope) }),
    ...(given.remove === undefined ? {} : { remove: readRemove(given.remove, [...path, 'remove'], scope) }),
    ...(given.add_tags === undefined
      ? {}
      : { add_tags: readTags(given.add_tags, [...path, 'add_tags'], reader) ?? [] }),
  };
}

/** Tokens; `affordable`; or `{ affordable_tokens_min: tokens }`. */
function readCap(cap: Json | undefined, path: Path, { reader, params }: ActionScope): Pick<Action, 'cap_max_tokens'> {
  if (cap === 'affordable') return { cap_max_tokens: cap };
  const inner = isObject(cap) ? reader.object(cap, path, ['affordable_tokens_min']).affordable_tokens_min : undefined;
  const tokens = isObject(cap) ? inner : cap;
  const place = isObject(cap) ? [...path, 'affordable_tokens_min'] : path;
  if (isObject(cap) && tokens === undefined) reader.fault(path, 'cap_max_tokens needs affordable_tokens_min');
  reader.integer(tokens === undefined ? undefined : withParams(tokens, params), place, 1, 100_000_000);
  if (typeof tokens !== 'number' && typeof tokens !== 'string') return {};
  return { cap_max_tokens: isObject(cap) ? { affordable_tokens_min: tokens } : tokens };
}

function readRedact(value: Json, path: Path, { reader, phase, params }: ActionScope): RedactWish {
  const given = reader.object(value, path, ['rails', 'patterns', 'literals', 'with']);
  const rails = reader.texts(given.rails, [...path, 'rails'])?.map((entry, i) => {
    const [rail = '', type, ...more] = entry.split('/');
    const place = [...path, 'rails', i];
    if (!isRail(rail) || more.length > 0) reader.fault(place, `unknown rail ${entry}`, nearest(rail, railNames));
    else if (rail === 'patterns')
      reader.fault(place, 'name the expressions under patterns and the texts under literals');
    else if (phase === 'response' && !railStreams(rail))
      reader.fault(place, `the rail ${rail} cannot be redacted in a reply`);
    else if (type !== undefined) {
      const fault = type === '' ? `${entry} names no type` : typeMisfit(rail, type);
      if (fault !== undefined) reader.fault(place, fault);
      return `${rail}/${canonicalType(rail, type)}`;
    }
    return entry;
  });
  const patterns = reader.texts(given.patterns, [...path, 'patterns'], 100);
  for (const [i, pattern] of (patterns ?? []).entries()) {
    const fault = expressionMisfit(withParams(pattern, params));
    if (fault !== undefined) reader.fault([...path, 'patterns', i], fault);
  }
  const literals = reader.texts(given.literals, [...path, 'literals'], 10_000);
  if (isObject(value) && rails === undefined && patterns === undefined && literals === undefined) {
    reader.fault(path, 'redact needs rails, patterns or literals');
  }
  const placeholder = given.with === '' ? '' : reader.text(given.with, [...path, 'with'], { max: 200 });
  for (const name of placesIn(placeholder ?? '')) {
    if (name !== 'type' && !name.startsWith('params.'))
      reader.fault([...path, 'with'], `\${${name}} is unknown here; \${type} is the finding's type`);
  }
  return defined({ rails, patterns, literals, with: placeholder });
}

const bodyPath = /^[A-Za-z_][A-Za-z0-9_-]*(\.[A-Za-z0-9_-]+){0,7}$/;

function guardPath(name: string, path: Path, reader: Reader): void {
  const [root = ''] = name.split('.');
  if (!bodyPath.test(name) || name.includes('__proto__'))
    reader.fault(path, `${name} is no path of a body field, such as metadata.team`, undefined, 'key');
  else if (Object.hasOwn(guarded, root))
    reader.fault(path, `${root} cannot be set or removed: ${guarded[root]}`, undefined, 'key');
}

function readSet(value: Json, path: Path, { reader }: ActionScope): { readonly [path: string]: Json } {
  if (!isObject(value) || Object.keys(value).length === 0) {
    reader.fault(path, 'set must be a mapping of body fields to values');
    return {};
  }
  for (const name of Object.keys(value)) guardPath(name, [...path, name], reader);
  return value;
}

function readRemove(value: Json, path: Path, { reader }: ActionScope): readonly string[] {
  const names = reader.texts(value, path, 100) ?? [];
  for (const [i, name] of names.entries()) guardPath(name, [...path, i], reader);
  return names;
}

/** Tags: short names, safe in headers and metrics. */
export function readTags(value: Json | undefined, path: Path, reader: Reader): readonly string[] | undefined {
  const tags = reader.texts(value, path, 100);
  for (const [i, tag] of (tags ?? []).entries()) {
    if (!/^[\w.:/-]{1,100}$/.test(tag))
      reader.fault([...path, i], 'a tag has up to 100 letters, digits and any of _ . : / -');
  }
  return tags;
}

/** What a rule asks of the record. */
export function readAudit(value: Json | undefined, path: Path, reader: Reader): AuditWish | undefined {
  if (value === undefined) return undefined;
  const given = reader.object(value, path, ['content', 'severity', 'alert']);
  return defined({
    content: reader.oneOf(given.content, [...path, 'content'], ['none'] as const, ['redacted', 'full']),
    severity: reader.oneOf(given.severity, [...path, 'severity'], [
      'info',
      'low',
      'medium',
      'high',
      'critical',
    ] as const),
    alert: reader.flag(given.alert, [...path, 'alert']),
  });
}
