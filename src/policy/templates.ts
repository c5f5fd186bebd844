import { type Declarations, givenValues, readDeclarations } from './parse-params.ts';
import type { Json } from './policy.ts';
import { nearest } from './problem.ts';
import { isObject, type JsonObject, type Reader } from './reader.ts';
import type { Path, SourceDocument } from './source.ts';

interface RuleTemplate {
  readonly params: Declarations;
  readonly rule: JsonObject;
}

export type RuleTemplates = ReadonlyMap<string, RuleTemplate>;

/** Rules a policy makes others from: `name: { params: { tokens: number }, rule: { when, action, ... } }`. */
export function readTemplates(value: Json | undefined, reader: Reader): RuleTemplates {
  const found = new Map<string, RuleTemplate>();
  if (value === undefined) return found;
  if (!isObject(value)) {
    reader.fault(['templates'], 'templates must be a mapping of names to templates');
    return found;
  }
  for (const [name, given] of Object.entries(value)) {
    const path = ['templates', name];
    const one = reader.object(given, path, ['params', 'rule', 'description']);
    const params = readDeclarations(one.params, [...path, 'params'], reader, true);
    if (!isObject(one.rule)) reader.fault(path, 'a template needs a rule');
    else if (one.rule.template !== undefined)
      reader.fault([...path, 'rule', 'template'], 'a template is made of no other', undefined, 'key');
    else found.set(name, { params, rule: one.rule });
  }
  return found;
}

/** A rule with its template filled in: what the rule says itself stands, the rest is the template's. */
export function expanded(rule: Json, path: Path, templates: RuleTemplates, reader: Reader): Json {
  if (!isObject(rule) || rule.template === undefined) return rule;
  const name = reader.text(rule.template, [...path, 'template']);
  const template = name === undefined ? undefined : templates.get(name);
  if (template === undefined) {
    if (name !== undefined)
      reader.fault([...path, 'template'], `there is no template ${name}`, nearest(name, [...templates.keys()]));
    return rule;
  }
  const { template: _, with: given, ...own } = rule;
  const values = givenValues(given, template.params, given === undefined ? path : [...path, 'with'], reader);
  const asks = own.condition !== undefined || own.when !== undefined;
  const { condition, when, ...rest } = template.rule;
  const asked = asks
    ? {}
    : { ...(condition === undefined ? {} : { condition }), ...(when === undefined ? {} : { when }) };
  return { ...rest, ...asked, ...own, with: values };
}

/** The document with the places of expanded rules: what a rule does not say itself stands in its template. */
export function templatePlaces(document: SourceDocument, rules: readonly Json[]): SourceDocument {
  return {
    value: document.value,
    place(path, of, within) {
      const [first, index, key] = path;
      const rule = first === 'rules' && typeof index === 'number' ? rules[index] : undefined;
      const named = isObject(rule) && typeof rule.template === 'string' ? rule.template : undefined;
      if (named === undefined || key === undefined || (isObject(rule) && Object.hasOwn(rule, String(key))))
        return document.place(path, of, within);
      return document.place(['templates', named, 'rule', ...path.slice(2)], of, within);
    },
  };
}
