import { retryCodes } from './action-obligations.ts';
import { expressionMisfit } from './operators.ts';
import type { ActionScope } from './parse-action.ts';
import { readTags } from './parse-tags.ts';
import type { Action, Json, Phase, RedactWish } from './policy.ts';
import { nearest } from './problem.ts';
import { canonicalType, isRail, railNames, railStreams, typeMisfit } from './rails.ts';
import { defined, isObject, type JsonObject, type Reader } from './reader.ts';
import type { Path } from './source.ts';
import { placesIn, withParams } from './template.ts';

export const obligationKeys = [
  ...(['substitute_model', 'cap_max_tokens', 'redact', 'set', 'remove', 'add_tags'] as const),
  ...(['route_to', 'prepend_system', 'retry'] as const),
] as const;
const enforceable: Readonly<Record<Phase, readonly string[]>> = {
  request: obligationKeys,
  response: ['redact', 'add_tags'],
  settle: ['add_tags'],
};

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
  stream_options: 'the caller reads the reply as it asked for it, and what a stream costs is told by them',
};

/** Reads what a `modify` asks for; what cannot be enforced in the rule's phase is a problem. */
export function readObligations(given: JsonObject, path: Path, scope: ActionScope): Partial<Action> {
  const { reader, phase } = scope;
  const asked = obligationKeys.filter((name) => given[name] !== undefined);
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
    ...(given.route_to === undefined ? {} : { route_to: readRoute(given.route_to, [...path, 'route_to'], scope) }),
    ...(given.prepend_system === undefined
      ? {}
      : { prepend_system: readPreamble(given.prepend_system, [...path, 'prepend_system'], scope) }),
    ...(given.retry === undefined ? {} : readRetry(given.retry, [...path, 'retry'], scope)),
  };
}

/** One candidate or several, in order. */
function readRoute(value: Json, path: Path, { reader, params }: ActionScope): readonly string[] {
  const names = reader.texts(typeof value === 'string' ? [value] : value, path, 20) ?? [];
  for (const [i, name] of names.entries()) {
    if (!/^[A-Za-z0-9][\w.-]*(\/\S+)?$/.test(String(withParams(name, params))))
      reader.fault([...path, i], `${name} is neither a provider nor provider/model`);
  }
  return names;
}

/** A text for the model. Facts are no part of it: it would let a caller write what only the operator may say. */
function readPreamble(value: Json, path: Path, { reader, params }: ActionScope): string {
  const text = reader.text(value, path, { max: 20_000 }) ?? '';
  for (const name of placesIn(String(withParams(text, params)))) {
    if (!name.startsWith('params.'))
      reader.fault(path, `\${${name}} may not stand in a text for the model: only \${params.name} may`);
  }
  return text;
}

function readRetry(value: Json, path: Path, { reader, params }: ActionScope): Pick<Action, 'retry'> {
  const given = reader.object(value, path, ['when', 'max']);
  const when = reader.texts(given.when, [...path, 'when'], retryCodes.length);
  for (const [i, code] of (when ?? []).entries()) reader.oneOf(code, [...path, 'when', i], retryCodes);
  const { max } = given;
  if (isObject(value) && max === undefined) reader.fault(path, 'retry needs max');
  reader.integer(max === undefined ? undefined : withParams(max, params), [...path, 'max'], 0, 10);
  if (typeof max !== 'number' && typeof max !== 'string') return {};
  return { retry: { ...(when === undefined ? {} : { when }), max } };
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
