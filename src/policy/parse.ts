import { rememberDeclared, rememberDraft, rememberTemplates } from './drafts.ts';
import { factOf } from './facts.ts';
import { misfit } from './operators.ts';
import { checkSurrounding, readBase, readInclusions } from './parse-composition.ts';
import { readFact } from './parse-condition.ts';
import { defaultsOf, readDeclarations } from './parse-params.ts';
import { idShape, idWhat, readRule } from './parse-rule.ts';
import { readTags } from './parse-tags.ts';
import {
  type Json,
  type Metadata,
  onErrors,
  type Policy,
  type PolicySource,
  type Surrounding,
  statuses,
} from './policy.ts';
import { PolicyError, type PolicyProblem, wholeProblem } from './problem.ts';
import { lowerCase, publishedMetadata } from './published.ts';
import { publishedRules } from './published-rule.ts';
import { deepFreeze, defined, isObject, Reader } from './reader.ts';
import { readDocuments, type SourceDocument } from './source.ts';
import { type Params, withParams } from './template.ts';
import { expanded, readTemplates, templatePlaces } from './templates.ts';
import { rememberWritten } from './written.ts';

export const policyLimits = { rulesPerPolicy: 10_000, rulesPerFile: 50_000 } as const;

const keys = [
  ...['metadata', 'status', 'on_error', 'applies_to', 'params', 'templates', 'extends', 'include', 'rules', 'tests'],
];
const later = ['rollout', 'rollouts', 'functions', 'exceptions', 'fallback', 'config'];
const metadataKeys = [
  ...['id', 'name', 'version', 'namespace', 'priority', 'tags', 'owner'],
  ...['description', 'change_summary', 'created_at', 'updated_at', 'created_by'],
];
const semver = /^(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(-[0-9A-Za-z.-]+)?(\+[0-9A-Za-z.-]+)?$/;

/** Policies that came out of this parser: canonical, checked and frozen. */
const checked = new WeakSet<Policy>();

/**
 * Reads the policies of a YAML or JSON text, one document or several. Strict: every unknown key or fact, operator on
 * the wrong type, bad value and obligation that cannot be enforced is a problem with its place.
 * `path` is what `selectPolicies` goes by; it defaults to `file` without its extension.
 * @throws PolicyError with all problems found.
 */
export function parsePolicies(
  text: string,
  source: { readonly file?: string; readonly path?: string } = {},
): readonly Policy[] {
  const file = source.file ?? 'policy';
  const path = source.path ?? file.replace(/^\.\//, '').replace(/\.(ya?ml|json)$/i, '');
  const { documents, problems } = readDocuments(text, file);
  const all: PolicyProblem[] = [...problems];
  const policies: Policy[] = [];
  let rules = 0;
  for (const document of documents) {
    const reader = new Reader(file, document);
    const policy = readPolicy(document.value, reader, { file, path, line: document.place([], 'value').line });
    all.push(...reader.problems);
    if (policy !== undefined) policies.push(policy);
    rules += policy?.rules.length ?? 0;
  }
  if (rules > policyLimits.rulesPerFile)
    all.push(wholeProblem(file, `more than ${policyLimits.rulesPerFile} rules in a file`));
  if (documents.length === 0 && all.length === 0) all.push(wholeProblem(file, 'the file holds no policy'));
  if (all.length > 0) throw new PolicyError(all);
  return policies;
}

/**
 * A policy given as an object instead of a text, checked and brought to canonical form. One that came from a parser is
 * returned as it is.
 * @throws PolicyError with all problems found.
 */
export function checkPolicy(policy: Policy): Policy {
  if (checked.has(policy)) return policy;
  const { source, ...content } = policy;
  const value = JSON.parse(JSON.stringify(content)) as Json;
  const document: SourceDocument = { value, place: () => ({ line: 0, column: 0 }) };
  const reader = new Reader(source?.file ?? `policy ${policy.metadata?.id ?? ''}`.trim(), document);
  const canonical = readPolicy(value, reader, source, true);
  if (canonical === undefined || reader.problems.length > 0) throw new PolicyError(reader.problems);
  return canonical;
}

/** Reads one document, or with `composed` what policies were put together to. Undefined where it is wrong; the reader's problems say what. */
export function readPolicy(
  value: Json,
  reader: Reader,
  source: PolicySource | undefined,
  composed = false,
): Policy | undefined {
  if (isObject(value) && value.kind === 'PolicyTest') {
    reader.fault(['kind'], 'this is a test file of policies, not a policy');
    return undefined;
  }
  // What another policy's inclusion asks for is in no document.
  const given = reader.object(value, [], composed ? [...keys, 'within'] : keys, later);
  if (!isObject(value)) return undefined;
  const metadata = readMetadata(given.metadata, reader);
  const base = readBase(given.extends, reader);
  const include = readInclusions(given.include, reader);
  const status = reader.oneOf(lowerCase(given.status), ['status'], statuses) ?? 'active';
  if (base !== undefined || given.extends !== undefined) {
    checkOverrides(given.rules, reader);
    if (metadata === undefined || base === undefined || reader.problems.length > 0) return undefined;
    const open = defined({ metadata, status, extends: base, include, rules: [], source });
    return kept(open, (whole) => rememberDraft(whole, { value, reader }), {
      ...value,
      // What it does not say is its base's: no default may stand there instead.
      metadata: publishedMetadata(given.metadata),
      ...(given.status === undefined ? {} : { status }),
    });
  }
  const declared = readDeclarations(given.params, ['params'], reader);
  const params = defaultsOf(declared, ['params'], reader);
  const templates = readTemplates(given.templates, reader);
  const list = given.rules ?? (include === undefined ? undefined : []);
  if (!Array.isArray(list) || (list.length === 0 && include === undefined && !composed))
    reader.fault(['rules'], 'a policy needs a list of rules');
  else if (list.length > policyLimits.rulesPerPolicy)
    reader.fault(['rules'], `a policy may have ${policyLimits.rulesPerPolicy} rules`);
  const items: readonly Json[] = Array.isArray(list) ? list.slice(0, policyLimits.rulesPerPolicy) : [];
  const seen = new Set<string>();
  const asWritten: unknown[] = [];
  const within = reader.placed((document) => templatePlaces(document, items));
  const rules = items.flatMap((item, i) => {
    const path = ['rules', i];
    const made = publishedRules(expanded(item, path, templates, reader), path, within).flatMap(
      (one) => readRule(one, path, within, params) ?? [],
    );
    for (const { id } of made) {
      if (seen.has(id)) reader.fault(['rules', i, 'id'], `the rule ${id} stands here twice`);
      seen.add(id);
    }
    asWritten.push(...(isObject(item) && item.template !== undefined ? [item] : made));
    return made;
  });
  const policy = defined({
    metadata,
    status,
    on_error: reader.oneOf(lowerCase(given.on_error), ['on_error'], onErrors),
    applies_to: readGuard(given.applies_to, reader, params, items),
    params: given.params === undefined ? undefined : params,
    include,
    within: given.within === undefined ? undefined : (given.within as unknown as readonly Surrounding[]),
    rules,
    tests: readTests(given.tests, reader),
    source,
  });
  for (const [i, { when }] of (include ?? []).entries()) checkSurrounding(when, ['include', i, 'when'], reader, params);
  if (metadata === undefined || reader.problems.length > 0) return undefined;
  const plain = isPlain(given.params, given.templates);
  const shown = plain ? undefined : { ...given, ...policy, params: given.params, templates: given.templates };
  return kept(
    { ...policy, metadata },
    (whole) => {
      rememberDeclared(whole, declared);
      if (isObject(given.templates)) rememberTemplates(whole, given.templates);
    },
    shown === undefined ? undefined : defined({ ...shown, rules: asWritten, source: undefined }),
  );
}

/** A policy made of checked ones, canonical as they are. */
export function trusted(policy: Policy): Policy {
  return kept(policy, () => {}, undefined);
}

function kept(policy: Policy, remember: (whole: Policy) => void, written: object | undefined): Policy {
  const whole: Policy = deepFreeze(policy);
  checked.add(whole);
  remember(whole);
  if (written !== undefined) rememberWritten(whole, written);
  return whole;
}

// What is overridden is read once it is known; that it can be told apart is seen now.
function checkOverrides(rules: Json | undefined, reader: Reader): void {
  if (rules === undefined) return;
  if (!Array.isArray(rules)) reader.fault(['rules'], 'rules must be a list of rules');
  const seen = new Set<Json>();
  for (const [i, rule] of (Array.isArray(rules) ? (rules as readonly Json[]) : []).entries()) {
    const id = isObject(rule) ? rule.id : undefined;
    if (typeof id !== 'string') reader.fault(['rules', i], 'a rule needs an id');
    else if (seen.has(id)) reader.fault(['rules', i, 'id'], `the rule ${id} stands here twice`);
    else seen.add(id);
  }
}

// Written as it decides: parameters are their values, and no rule is made of another.
function isPlain(params: Json | undefined, templates: Json | undefined): boolean {
  return templates === undefined && !(isObject(params) && Object.values(params).some(isObject));
}

function readMetadata(value: Json | undefined, reader: Reader): Metadata | undefined {
  const path = ['metadata'];
  const given = reader.object(publishedMetadata(value), path, metadataKeys);
  const text = (key: string, options = {}) => reader.text(given[key], [...path, key], options);
  if (isObject(value) && given.id === undefined) reader.fault(path, 'a policy needs an id');
  const id = text('id', { like: idShape, what: idWhat });
  const version = text('version', { like: semver, what: 'a semantic version in quotes, such as "1.2.0"' });
  const metadata = defined({
    name: text('name', { max: 200 }),
    version: version ?? '0.0.0',
    namespace: text('namespace', { like: idShape, what: idWhat }) ?? 'default',
    priority: reader.integer(given.priority, [...path, 'priority'], -1_000_000, 1_000_000) ?? 0,
    tags: readTags(given.tags, [...path, 'tags'], reader),
    owner: text('owner'),
    description: text('description'),
    change_summary: text('change_summary'),
    created_at: text('created_at'),
    updated_at: text('updated_at'),
    created_by: text('created_by'),
  });
  return id === undefined ? undefined : { id, ...metadata };
}

function readGuard(
  value: Json | undefined,
  reader: Reader,
  params: Params,
  rules: readonly Json[],
): Policy['applies_to'] {
  if (value === undefined) return undefined;
  if (!isObject(value) || Object.keys(value).length === 0) {
    reader.fault(['applies_to'], 'applies_to must be a mapping of facts to values');
    return undefined;
  }
  const early = rules.some((rule) => isObject(rule) && (rule.on === undefined || lowerCase(rule.on) === 'request'));
  const guard: Record<string, Json> = {};
  for (const [field, wanted] of Object.entries(value)) {
    const fact = early
      ? readFact(field, ['applies_to', field], reader, 'request')
      : (factOf(field) ?? readFact(field, ['applies_to', field], reader, 'response'));
    if (fact === undefined) continue;
    if (fact.ofReply || fact.name.startsWith('rails.'))
      reader.fault(
        ['applies_to', field],
        `${fact.name} is found out, applies_to is for facts of the caller`,
        undefined,
        'key',
      );
    const list = withParams(wanted, params);
    const fault = misfit('in', fact, Array.isArray(list) ? list : [list]);
    if (fault !== undefined) reader.fault(['applies_to', field], fault.replace(/^in /, 'applies_to '));
    guard[fact.name] = wanted;
  }
  return guard;
}

function readTests(value: Json | undefined, reader: Reader): string | readonly string[] | undefined {
  return typeof value === 'string' ? reader.text(value, ['tests']) : reader.texts(value, ['tests'], 100);
}
