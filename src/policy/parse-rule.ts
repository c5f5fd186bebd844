import { readAction, readAudit, readTags } from './parse-action.ts';
import { readCondition } from './parse-condition.ts';
import { type Json, type Phase, phases, type Rule, streamModes } from './policy.ts';
import { nearest } from './problem.ts';
import { lowerCase } from './published.ts';
import { defined, isObject, type Reader } from './reader.ts';
import { rememberNode } from './rule-node.ts';
import type { Path } from './source.ts';
import { streamFault } from './stream-mode.ts';
import { type Params, paramsIn } from './template.ts';
import { readWasm } from './wasm-rule.ts';
import { readWhen, whenLimits } from './when.ts';

const keys = [
  'id',
  'name',
  'description',
  'enabled',
  'on',
  'stream',
  'condition',
  'when',
  'wasm',
  'action',
  'audit',
  'tags',
];
const later = ['template', 'metrics', 'function', 'input_filters', 'output_filters', 'principal', 'resource'];

export const idShape = /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/;
export const idWhat = 'a name of up to 128 letters, digits and any of . _ -';

/** Reads one rule. Undefined where a part it cannot do without is wrong; the problems say what. */
export function readRule(value: Json, path: Path, reader: Reader, params: Params): Rule | undefined {
  const before = reader.problems.length;
  const given = reader.object(value, path, keys, later);
  if (!isObject(value)) return undefined;
  // An expression knows its parameters itself.
  const { when: _, ...filled } = given;
  for (const name of paramsIn(filled)) {
    if (!Object.hasOwn(params, name))
      reader.fault(path, `unknown parameter \${params.${name}}`, nearest(name, Object.keys(params)));
  }
  const phase: Phase = reader.oneOf(lowerCase(given.on), [...path, 'on'], phases) ?? 'request';
  const id = reader.text(given.id, [...path, 'id'], { like: idShape, what: idWhat });
  if (given.id === undefined) reader.fault(path, 'a rule needs an id');
  if (given.action === undefined) reader.fault(path, 'a rule needs an action');
  const action =
    given.action === undefined ? undefined : readAction(given.action, [...path, 'action'], { reader, phase, params });
  // The published language kept these two beside the decision.
  const beside = isObject(given.action) ? given.action : {};
  const from = (key: 'audit' | 'tags'): [Json | undefined, Path] =>
    given[key] === undefined ? [beside[key], [...path, 'action', key]] : [given[key], [...path, key]];
  if (given.stream !== undefined && phase !== 'response')
    reader.fault([...path, 'stream'], 'stream is for rules with on: response', undefined, 'key');
  const when = reader.text(given.when, [...path, 'when'], { max: whenLimits.characters });
  if (when !== undefined && given.condition !== undefined)
    reader.fault([...path, 'when'], 'a rule has a condition or a when, not both', undefined, 'key');
  const wasm = readWasm(given.wasm, [...path, 'wasm'], reader, phase);
  if (given.wasm !== undefined && (given.condition !== undefined || given.when !== undefined))
    reader.fault([...path, 'wasm'], 'a rule has a condition, a when or a wasm, not several', undefined, 'key');
  const node = readWhen(when, [...path, 'when'], reader, phase, params);
  const rule = defined({
    id: id ?? '',
    name: reader.text(given.name, [...path, 'name'], { max: 200 }),
    description: reader.text(given.description, [...path, 'description']),
    enabled: reader.flag(given.enabled, [...path, 'enabled']),
    on: given.on === undefined ? undefined : phase,
    stream: reader.oneOf(given.stream, [...path, 'stream'], streamModes, ['window']),
    condition:
      given.condition === undefined
        ? undefined
        : readCondition(given.condition, [...path, 'condition'], reader, phase, params),
    when,
    wasm,
    action,
    audit: readAudit(...from('audit'), reader),
    tags: readTags(...from('tags'), reader),
  });
  if (action === undefined || reader.problems.length > before) return undefined;
  const whole: Rule = { ...rule, action };
  rememberNode(whole, node);
  const fault = phase === 'response' ? streamFault(whole, params) : undefined;
  if (fault !== undefined) reader.fault(path, fault);
  return fault === undefined ? whole : undefined;
}
