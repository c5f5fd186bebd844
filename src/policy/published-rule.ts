import type { Json } from './policy.ts';
import { decisionName } from './published.ts';
import { isObject, type JsonObject, type Reader } from './reader.ts';
import type { Path } from './source.ts';

/** Facts that the published `kind:name` of a principal or a resource stands for. */
const kinds: Readonly<Record<'principal' | 'resource', Readonly<Record<string, string>>>> = {
  principal: {
    user: 'user.id',
    role: 'user.roles',
    team: 'team.id',
    tier: 'team.tier',
    project: 'project.id',
    organization: 'organization.id',
    key: 'key.id',
  },
  resource: { model: 'llm.model', provider: 'llm.provider', tool: 'llm.tools' },
};
const lists = new Set(['user.roles', 'llm.tools']);
/** What a call of a model is called: rules are about nothing else. */
const actions = new Set(['*', 'llm:*', 'llm:chat', 'llm:completion']);

const filterAliases: Readonly<Record<string, string>> = {
  pii_filter: 'pii',
  pii_redaction: 'pii',
  redact_pii: 'pii',
  secret_redaction: 'secrets',
  secrets_filter: 'secrets',
  credentials: 'secrets',
};

/**
 * A rule in published spellings as rules of ours. `principal`, `action` and `resource` join the condition; `input_filters`
 * become what the rule redacts in the request, and `output_filters` a rule `<id>-output` on the reply.
 */
export function publishedRules(rule: Json, path: Path, reader: Reader): readonly Json[] {
  if (!isObject(rule)) return [rule];
  return withFilters(withShorthands(rule, path, reader), path, reader);
}

function withShorthands(rule: JsonObject, path: Path, reader: Reader): JsonObject {
  const { principal, resource, ...rest } = withAction(rule, path, reader);
  if (principal === undefined && resource === undefined) return rest;
  if (rest.when !== undefined) {
    reader.fault([...path, 'when'], 'with principal or resource a rule has a condition, not a when', undefined, 'key');
    return rest;
  }
  const asked = [
    ...shorthand('principal', principal, path, reader),
    ...shorthand('resource', resource, path, reader),
    ...(rest.condition === undefined ? [] : [rest.condition]),
  ];
  const [only] = asked;
  if (only === undefined) return rest;
  return { ...rest, condition: asked.length === 1 ? only : { operator: 'and', conditions: asked } };
}

/** `action: llm:chat` with `decision` (or `effect`) and `reason` beside it. */
function withAction(rule: JsonObject, path: Path, reader: Reader): JsonObject {
  if (typeof rule.action !== 'string') return rule;
  const { action, decision, effect, reason, ...rest } = rule;
  if (!actions.has(String(action)))
    reader.fault([...path, 'action'], `rules are about calls of a model: ${[...actions].join(', ')}`);
  const given = decision ?? effect;
  if (given === undefined) reader.fault(path, 'a rule needs a decision');
  const name = given === 'permit' ? 'allow' : given === 'forbid' ? 'deny' : given;
  return {
    ...rest,
    action: { ...(name === undefined ? {} : { decision: name }), ...(reason === undefined ? {} : { reason }) },
  };
}

function shorthand(of: 'principal' | 'resource', value: Json | undefined, path: Path, reader: Reader): readonly Json[] {
  if (value === undefined || value === '*') return [];
  const names: readonly Json[] = Array.isArray(value) ? value : [value];
  const asked = names.flatMap((name): readonly Json[] => {
    const [, kind = '', id = ''] = (typeof name === 'string' && /^(\w+):(.+)$/.exec(name)) || [];
    const field = Object.hasOwn(kinds[of], kind) ? kinds[of][kind] : undefined;
    if (field === undefined) {
      reader.fault([...path, of], `${of} is ${Object.keys(kinds[of]).join(':..., ')}:... or *`);
      return [];
    }
    if (id === '*') return [{ operator: 'exists', field }];
    if (lists.has(field)) return [{ operator: 'contains', field, value: id }];
    return [{ operator: id.includes('*') ? 'glob' : 'eq', field, value: id }];
  });
  return asked.length > 1 ? [{ operator: 'or', conditions: asked }] : asked;
}

function withFilters(rule: JsonObject, path: Path, reader: Reader): readonly JsonObject[] {
  const beside = isObject(rule.action) ? rule.action : {};
  const input = rule.input_filters ?? beside.input_filters;
  const output = rule.output_filters ?? beside.output_filters;
  if (input === undefined && output === undefined) return [rule];
  const { input_filters: _, output_filters: __, ...rest } = rule;
  const { input_filters: ___, output_filters: ____, decision, ...action } = beside;
  const name = decisionName(decision);
  if (name !== 'allow' && name !== 'modify')
    reader.fault([...path, 'action'], 'filters take out what they find: their rule allows or modifies');
  const made = (filters: Json, more: JsonObject): JsonObject => ({
    ...rest,
    ...more,
    action: { ...action, decision: 'modify', redact: { rails: railsOf(filters) } },
  });
  const id = String(rule.id);
  return [
    ...(input === undefined ? [] : [made(input, {})]),
    ...(output === undefined
      ? []
      : [made(output, { on: 'response', ...(input === undefined ? {} : { id: `${id}-output` }) })]),
  ];
}

/** What is no filter we know stays, so that it is reported and not dropped. */
function railsOf(filters: Json): Json {
  const names: readonly Json[] = Array.isArray(filters) ? filters : [filters];
  return names.map((name: Json) => {
    const text = isObject(name) && typeof name.type === 'string' ? name.type : name;
    return typeof text === 'string' ? (filterAliases[text.toLowerCase()] ?? text) : text;
  });
}
