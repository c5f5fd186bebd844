import { policyHash } from './canonical.ts';
import type { Obligation } from './decision.ts';
import { factOf } from './facts.ts';
import { fold } from './fold.ts';
import { FALSE, type Read, reader, TRUE } from './leaf.ts';
import { branch, type EndNode, leafNode, leavesOf, type Node } from './node.ts';
import type { Action, AuditWish, Effect, Json, OnError, Phase, Policy, Rule, StreamMode } from './policy.ts';
import { canonicalType, canonicalTypes } from './rails.ts';
import { type Key, keysOf } from './rule-index.ts';
import { nodeOf } from './rule-node.ts';
import { modeOf, readsRail, type Shape, shapeOf } from './stream-mode.ts';
import { type Params, placesIn, printed, withParams } from './template.ts';
import type { FactTree } from './unable.ts';
import { wasmFact } from './wasm-fact.ts';
import { wasmNode } from './wasm-rule.ts';

/** A rule as `decide` sees it. Belongs to its policy alone: programs share it. */
export interface CompiledRule {
  /** `policy/rule`. */
  readonly ref: string;
  readonly policy: Policy;
  readonly rule: Rule;
  readonly phase: Phase;
  readonly effect: Effect;
  /** Undefined: enforced. */
  readonly shadow: 'shadow' | 'dryrun' | undefined;
  /** The policy's guard and the rule's condition; undefined matches always. */
  readonly node: Node | undefined;
  /** False where it can never match, whatever the facts. */
  readonly live: boolean;
  /** What `node` asks, with less work; undefined matches always. */
  readonly test: ((facts: FactTree) => 0 | 1 | 2) | undefined;
  readonly final: boolean;
  readonly onError: OnError;
  readonly reason: Template;
  readonly status: number | undefined;
  readonly code: string | undefined;
  readonly obligations: readonly Obligation[];
  readonly readsRail: boolean;
  readonly audit: AuditWish | undefined;
  readonly tags: readonly string[];
  /** Its comparisons, and those of them an index may go by. */
  readonly leaves: readonly EndNode[];
  readonly keys: readonly Key[];
  readonly shape: Shape;
  readonly mode: StreamMode;
  /** Shared lists for the common case of one match. */
  readonly refs: readonly string[];
  readonly policyIds: readonly string[];
}

export interface CompiledPolicy {
  readonly hash: string;
  readonly rules: readonly CompiledRule[];
}

/** A sentence with facts in it. */
export interface Template {
  readonly facts: readonly string[];
  render(facts: FactTree): string;
}

const compiled = new WeakMap<Policy, CompiledPolicy>();

/** Compiles a checked policy, once: policies are frozen, so a set of which one changed recompiles only that one. */
export function compilePolicy(policy: Policy): CompiledPolicy {
  const known = compiled.get(policy);
  if (known !== undefined) return known;
  const enforced = policy.status === 'active' || policy.status === 'deprecated' || policy.status === 'shadow';
  const rules = enforced
    ? policy.rules.filter((rule) => rule.enabled !== false).map((rule) => compileRule(policy, rule))
    : [];
  const result = { hash: policyHash(policy), rules };
  compiled.set(policy, result);
  return result;
}

function compileRule(policy: Policy, rule: Rule): CompiledRule {
  const params = policy.params ?? {};
  const ref = `${policy.metadata.id}/${rule.id}`;
  const dryrun = rule.action.decision === 'dryrun';
  const action: Action = dryrun && rule.action.action !== undefined ? rule.action.action : rule.action;
  const effect: Effect = action.decision === 'dryrun' ? 'audit' : action.decision;
  const own = rule.wasm === undefined ? nodeOf(rule, params) : wasmNode(policy, rule.id);
  const conditions = [...guardOf(policy, params), ...(own === undefined ? [] : [own])];
  const node = conditions.length === 0 ? undefined : branch('and', conditions);
  const folded = node === undefined ? TRUE : fold(node);
  const asks = typeof folded === 'number' ? undefined : folded;
  const phase = rule.on ?? 'request';
  const protects = effect === 'deny' || action.redact !== undefined || action.cap_max_tokens !== undefined;
  return {
    ref,
    policy,
    rule,
    phase,
    effect,
    shadow: policy.status === 'shadow' ? 'shadow' : dryrun ? 'dryrun' : undefined,
    node,
    live: folded !== FALSE,
    test: folded === FALSE ? () => FALSE : asks?.test,
    final: action.final === true,
    onError: policy.on_error ?? (protects ? 'deny' : 'skip'),
    reason: reasonOf(policy, rule, action, template(action.reason ?? rule.name ?? `${effect} by rule ${ref}`, params)),
    status: action.status,
    code: action.code,
    obligations: Object.freeze(obligationsOf(action, ref, params)),
    readsRail: own !== undefined && readsRail(own),
    audit: rule.audit,
    tags: Object.freeze([...(rule.tags ?? [])]),
    // What is searched for in a reply follows what was written.
    leaves: asks === undefined ? [] : leavesOf(phase === 'request' ? asks : (node ?? asks)),
    keys: asks === undefined ? [] : keysOf(asks),
    shape: node === undefined ? { kind: 'constant' } : shapeOf(node, rule.id),
    mode: modeOf(rule),
    refs: Object.freeze([ref]),
    policyIds: Object.freeze([policy.metadata.id]),
  };
}

// A module may give its own reason, where the rule has none.
function reasonOf({ metadata }: Policy, rule: Rule, { reason }: Action, otherwise: Template): Template {
  if (rule.wasm === undefined || reason !== undefined) return otherwise;
  const fact = factOf(`${wasmFact(metadata.namespace, metadata.id, rule.id).name}:reason`);
  if (fact === undefined) return otherwise;
  const read = reader(fact);
  return {
    facts: [fact.name],
    render: (facts) => {
      const told = read(facts);
      return typeof told === 'string' && told !== '' ? printed(told) : otherwise.render(facts);
    },
  };
}

function guardOf(policy: Policy, params: Params): readonly Node[] {
  return Object.entries(policy.applies_to ?? {}).flatMap(([field, wanted]) => {
    const fact = factOf(field);
    if (fact === undefined) return [];
    const value = canonicalTypes(field, withParams(wanted, params));
    return [leafNode('in', fact, Array.isArray(value) ? value : [value])];
  });
}

function obligationsOf(action: Action, rule: string, params: Params): Obligation[] {
  const list: Obligation[] = [];
  const text = (value: Json) => String(withParams(value, params));
  if (action.substitute_model !== undefined)
    list.push({ type: 'substitute_model', model: text(action.substitute_model), rule });
  if (action.cap_max_tokens !== undefined) {
    list.push(capOf(action.cap_max_tokens, rule, params));
  }
  if (action.redact !== undefined) {
    const { rails = [], patterns = [], literals = [] } = action.redact;
    list.push({
      type: 'redact',
      rails: rails.map(canonicalEntry),
      patterns: patterns.map(text),
      literals: literals.map(text),
      with: text(action.redact.with ?? `[REDACTED:\${type}]`),
      rule,
    });
  }
  if (action.set !== undefined) {
    const set = Object.fromEntries(
      Object.entries(action.set).map(([path, value]) => [path, withParams(value, params)]),
    );
    list.push({ type: 'set', set, rule });
  }
  if (action.remove !== undefined) list.push({ type: 'remove', remove: action.remove, rule });
  if (action.add_tags !== undefined) list.push({ type: 'add_tags', tags: action.add_tags, rule });
  return list.map((obligation) => Object.freeze(obligation));
}

function capOf(cap: NonNullable<Action['cap_max_tokens']>, rule: string, params: Params): Obligation {
  const type = 'cap_max_tokens';
  if (cap === 'affordable') return { type, affordable: true, tokens_min: 1, rule };
  if (typeof cap !== 'object') return { type, tokens: Number(withParams(cap, params)), rule };
  return { type, affordable: true, tokens_min: Number(withParams(cap.affordable_tokens_min, params)), rule };
}

function canonicalEntry(entry: string): string {
  const [rail = '', type] = entry.split('/');
  return type === undefined ? rail : `${rail}/${canonicalType(rail, type)}`;
}

function template(source: string, params: Params): Template {
  const text = String(withParams(source, params));
  const parts: (string | Read)[] = [];
  const facts: string[] = [];
  let rest = text;
  for (const name of placesIn(text)) {
    const fact = factOf(name);
    const place = `\${${name}}`;
    const at = rest.indexOf(place);
    if (fact === undefined || fact.text || at < 0) continue;
    parts.push(rest.slice(0, at), reader(fact));
    facts.push(fact.name);
    rest = rest.slice(at + place.length);
  }
  if (parts.length === 0) return { facts, render: () => text };
  return {
    facts,
    render(given) {
      let out = '';
      for (const part of parts) out += typeof part === 'string' ? part : printed(part(given));
      return out + rest;
    },
  };
}
