import { type Draft, declaredBy, draftOf, templatesOf } from './drafts.ts';
import { readPolicy, trusted } from './parse.ts';
import { checkParam } from './parse-params.ts';
import type { Inclusion, Json, Policy, PolicyRef, Status, Surrounding } from './policy.ts';
import { nearest, PolicyError, type PolicyProblem } from './problem.ts';
import { isObject, type JsonObject, Reader } from './reader.ts';
import type { Path, SourceDocument } from './source.ts';
import { versionRange } from './version-range.ts';

const depth_max = 16;
const policies_max = 10_000;

/**
 * Policies with everything they extend and include put in its place: what comes out has rules alone, and decides the same
 * without the others. `library` are policies that are not in force themselves. An included policy's rules come as a policy
 * `<including>.<included>` of their own.
 * @throws PolicyError where a policy is not there, is of another version, or leads back to itself.
 */
export function resolvePolicies(policies: readonly Policy[], library: readonly Policy[] = []): readonly Policy[] {
  if (policies.every((policy) => policy.extends === undefined && policy.include === undefined)) return policies;
  const composer = new Composer([...policies, ...library]);
  const resolved = policies.flatMap((policy) => composer.whole(policy, []));
  if (resolved.length > policies_max)
    composer.problems.push({
      file: 'policies',
      line: 0,
      column: 0,
      message: `more than ${policies_max} policies in all`,
    });
  if (composer.problems.length > 0) throw new PolicyError(composer.problems);
  return resolved;
}

class Composer {
  readonly problems: PolicyProblem[] = [];
  readonly #known = new Map<string, Policy>();
  readonly #extended = new Map<Policy, Policy | undefined>();
  readonly #whole = new Map<Policy, readonly Policy[]>();

  constructor(policies: readonly Policy[]) {
    for (const policy of policies) {
      const name = idOf(policy);
      if (!this.#known.has(name)) this.#known.set(name, policy);
    }
  }

  /** The policy itself, and those it includes. */
  whole(policy: Policy, trail: readonly Policy[]): readonly Policy[] {
    const done = this.#whole.get(policy);
    if (done !== undefined) return done;
    const own = this.#extend(policy, []);
    if (own === undefined) return [];
    const { include, ...rest } = own;
    const made = include === undefined ? [own] : [trusted(rest), ...this.#included(own, include, [...trail, policy])];
    this.#whole.set(policy, made);
    return made;
  }

  #included(own: Policy, include: readonly Inclusion[], trail: readonly Policy[]): readonly Policy[] {
    return include.flatMap((one, i) => {
      const path = ['include', i];
      const target = this.#find(own, one, path, trail, 'includes');
      if (target === undefined) return [];
      const { applies_to, params = {} } = own;
      const around: Surrounding = {
        ...(one.when === undefined ? {} : { when: one.when }),
        ...(applies_to === undefined ? {} : { applies_to }),
        params,
      };
      return this.whole(target, trail).map((part) => included(own, part, one, around));
    });
  }

  #extend(policy: Policy, trail: readonly Policy[]): Policy | undefined {
    if (policy.extends === undefined) return policy;
    if (this.#extended.has(policy)) return this.#extended.get(policy);
    const draft = draftOf(policy);
    const target = this.#find(policy, policy.extends, ['extends'], [...trail, policy], 'extends');
    const base = target === undefined ? undefined : this.#extend(target, [...trail, policy]);
    const made = base === undefined || draft === undefined ? undefined : this.#merge(policy, draft, base);
    this.#extended.set(policy, made);
    return made;
  }

  #merge(policy: Policy, { value, reader }: Draft, base: Policy): Policy | undefined {
    const declared = declaredBy(base);
    const problems: PolicyProblem[] = [];
    const check = new Reader(reader.file, reader.document, problems);
    for (const [name, given] of Object.entries(isObject(value.params) ? value.params : {})) {
      const one = declared.get(name);
      if (one !== undefined && !isObject(given)) checkParam(given, one, ['params', name], check);
    }
    const { merged, document } = extended(value, base, reader.document);
    const read = new Reader(reader.file, document, problems);
    const whole = readPolicy(merged, read, policy.source);
    this.problems.push(...problems);
    return problems.length > 0 ? undefined : whole;
  }

  #find(from: Policy, ref: PolicyRef, path: Path, trail: readonly Policy[], verb: string): Policy | undefined {
    const { namespace } = from.metadata;
    const names = ref.policy.includes('/') ? [ref.policy] : [`${namespace}/${ref.policy}`, `default/${ref.policy}`];
    const found = names.map((name) => this.#known.get(name)).find((one) => one !== undefined);
    if (found === undefined) {
      const near = nearest(
        ref.policy,
        [...this.#known.values()].map(({ metadata }) => metadata.id),
      );
      this.#fault(from, path, `${from.metadata.id} ${verb} ${ref.policy}, and there is no such policy`, near);
      return undefined;
    }
    const { id, version } = found.metadata;
    if (ref.version !== undefined && versionRange(ref.version)?.(version) !== true) {
      this.#fault(from, path, `${from.metadata.id} ${verb} ${id} of version ${ref.version}, and it is ${version}`);
      return undefined;
    }
    if (trail.includes(found) || trail.length > depth_max) {
      const circle = [...trail, found].map(({ metadata }) => metadata.id).join(' -> ');
      const why = trail.includes(found) ? 'leads back to itself' : `goes deeper than ${depth_max}`;
      this.#fault(from, path, `what ${from.metadata.id} ${verb} ${why}: ${circle}`);
      return undefined;
    }
    return found;
  }

  #fault(policy: Policy, path: Path, message: string, suggestion?: string): void {
    const { file = 'policies', line = 0 } = policy.source ?? {};
    const place = draftOf(policy)?.reader.document?.place(path, 'value') ?? { line, column: line > 0 ? 1 : 0 };
    this.problems.push({ file, ...place, message, ...(suggestion === undefined ? {} : { suggestion }) });
  }
}

/** What a policy says itself over what its base says: rules by their id, keys by their name. */
function extended(own: JsonObject, base: Policy, document: SourceDocument | undefined) {
  const { source: _source, ...content } = base;
  const from = content as unknown as JsonObject;
  const rules: Json[] = [];
  /** Where each rule stands in the own document; undefined for one of the base alone. */
  const places: (number | undefined)[] = [];
  const said: readonly Json[] = Array.isArray(own.rules) ? own.rules : [];
  const overrides = new Map(said.flatMap((rule, i) => (isObject(rule) ? [[rule.id, { rule, i }] as const] : [])));
  for (const rule of base.rules as unknown as readonly JsonObject[]) {
    const over = overrides.get(rule.id);
    overrides.delete(rule.id);
    places.push(over?.i);
    rules.push(over === undefined ? rule : overridden(rule, over.rule));
  }
  for (const { rule, i } of overrides.values()) {
    rules.push(rule);
    places.push(i);
  }
  const { extends: _, ...rest } = own;
  const templates = { ...templatesOf(base), ...(isObject(own.templates) ? own.templates : {}) };
  const merged: JsonObject = {
    ...inherited(from),
    ...rest,
    ...(Object.keys(templates).length === 0 ? {} : { templates }),
    metadata: { ...inheritedMetadata(from.metadata), ...(isObject(own.metadata) ? own.metadata : {}) },
    ...(from.params === undefined && own.params === undefined
      ? {}
      : { params: { ...(isObject(from.params) ? from.params : {}), ...(isObject(own.params) ? own.params : {}) } }),
    rules,
  };
  const { file = 'policies', line = 0 } = base.source ?? {};
  const there = { file, line, column: line > 0 ? 1 : 0 };
  const placed: SourceDocument = {
    value: merged,
    place(path, of, within) {
      const [first = '', index, ...deeper] = path;
      if (document === undefined) return there;
      if (
        first === 'templates' &&
        typeof index === 'string' &&
        !(isObject(own.templates) && Object.hasOwn(own.templates, index))
      )
        return there;
      if (first !== 'rules' || typeof index !== 'number')
        return Object.hasOwn(own, String(first)) || path.length === 0 ? document.place(path, of, within) : there;
      const at = places[index];
      const rule = at === undefined ? undefined : said[at];
      const [key] = deeper;
      const ours = isObject(rule) && (key === undefined || Object.hasOwn(rule, String(key)));
      return ours && at !== undefined ? document.place(['rules', at, ...deeper], of, within) : there;
    },
  };
  return { merged, document: placed };
}

// An override that asks something asks that instead, and one that is made of a template is that rule, whatever the base's was.
function overridden(base: JsonObject, own: JsonObject): JsonObject {
  if (own.template !== undefined) return own;
  const { condition, when, ...rest } = base;
  const asks = own.condition !== undefined || own.when !== undefined;
  const asked = asks
    ? {}
    : { ...(condition === undefined ? {} : { condition }), ...(when === undefined ? {} : { when }) };
  const values = isObject(base.with) && isObject(own.with) ? { with: { ...base.with, ...own.with } } : {};
  return { ...rest, ...asked, ...own, ...values };
}

function inherited({ metadata: _, status: __, rules: ___, tests: ____, ...rest }: JsonObject): JsonObject {
  return rest;
}

function inheritedMetadata(metadata: Json | undefined): JsonObject {
  if (!isObject(metadata)) return {};
  const { priority, tags, owner } = metadata;
  return Object.fromEntries(
    Object.entries({ priority, tags, owner }).filter((entry): entry is [string, Json] => entry[1] !== undefined),
  );
}

function included(own: Policy, part: Policy, { priority_offset = 0 }: Inclusion, around: Surrounding): Policy {
  const { metadata } = own;
  return trusted({
    ...part,
    metadata: {
      ...part.metadata,
      id: `${metadata.id}.${part.metadata.id}`,
      namespace: metadata.namespace,
      priority: metadata.priority + priority_offset,
    },
    status: includedStatus(own.status, part.status),
    within: [around, ...(part.within ?? [])],
  });
}

// What is only watched stays so, and what is off is off with everything it includes; a part that is a draft by itself is used.
function includedStatus(own: Status, part: Status): Status {
  if (own === 'draft' || own === 'disabled') return own;
  return own === 'shadow' || part === 'shadow' ? 'shadow' : 'active';
}

function idOf({ metadata: { namespace, id } }: Policy): string {
  return `${namespace}/${id}`;
}
