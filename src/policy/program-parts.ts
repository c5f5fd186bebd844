import { type Claims, changeClaims } from './claims.ts';
import { type CompiledPolicy, type CompiledRule, compilePolicy } from './compiled-rule.ts';
import type { Decision } from './decision.ts';
import { checkPolicy } from './parse.ts';
import { changeTable, emptyTable, joined, type PhaseTable, type TableChange } from './phase-table.ts';
import type { Phase, Policy, Status } from './policy.ts';
import { PolicyError, type PolicyProblem } from './problem.ts';
import { changeSetHash, emptySetHash, type SetHash } from './program-id.ts';

export interface PolicySummary {
  readonly id: string;
  readonly namespace: string;
  readonly version: string;
  readonly status: Status;
  readonly priority: number;
  readonly rules: number;
  /** Content hash of this policy. */
  readonly hash: string;
}

/** A policy as programs hold it. Belongs to its policy alone: programs share it. */
interface Member {
  readonly policy: Policy;
  readonly name: string;
  readonly compiled: CompiledPolicy;
  readonly summary: PolicySummary;
  /** The comparison of two sets that saw it last: quicker than a look-up among ten thousand. */
  seen: number;
}

/** All that is kept of a set of policies, so that another set can be compiled from it. */
export interface Parts {
  readonly default: 'allow' | 'deny';
  /** In order of precedence. */
  readonly members: readonly Member[];
  readonly claims: Claims;
  readonly hash: SetHash;
  readonly tables: Readonly<Record<Phase, PhaseTable>>;
}

/**
 * The parts of a set of policies, compiled anew.
 * @throws PolicyError where an id stands twice in a namespace, or obligations conflict.
 */
export function partsOf(policies: readonly Policy[], fallback: 'allow' | 'deny'): Parts {
  return change(emptyParts(fallback), [], policies.map(memberOf));
}

/** The same, from the parts of another set. Undefined where the sets have too little in common, what is new is made of others, or something is wrong: compiling anew then tells what. */
export function changedParts(parts: Parts, policies: readonly Policy[], fallback: 'allow' | 'deny'): Parts | undefined {
  if (parts.default !== fallback) return undefined;
  const { kept, added } = compare(parts.members, policies);
  if (added.some(isComposed)) return undefined;
  const removed = parts.members.filter(({ seen }) => seen !== kept);
  const worn = Object.values(parts.tables).some(({ slots, rules }) => slots.length > 64 + rules.length * 2);
  if (worn || (added.length + removed.length) * 4 > policies.length) return undefined;
  try {
    return change(parts, removed, added.map(memberOf));
  } catch (thrown) {
    if (thrown instanceof PolicyError) return undefined;
    throw thrown;
  }
}

/** Whether a policy is made of others. */
export function isComposed(policy: Policy): boolean {
  return policy.extends !== undefined || policy.include !== undefined;
}

let comparisons = 0;

/** Marks the members that are among these policies with the number `kept`; the others of the policies are `added`. */
function compare(members: readonly Member[], policies: readonly Policy[]) {
  comparisons += 2;
  const [open, kept] = [comparisons, comparisons + 1];
  for (const member of members) member.seen = open;
  const added = policies.filter((policy) => {
    const member = known.get(policy);
    if (member?.seen !== open) return true;
    member.seen = kept;
    return false;
  });
  return { kept, added };
}

function emptyParts(fallback: 'allow' | 'deny'): Parts {
  // The default is about calls. A reply answers one that was allowed: no rule about it means nothing against it.
  const after = unmatched('allow');
  return {
    default: fallback,
    members: [],
    claims: new Map(),
    hash: emptySetHash,
    tables: {
      request: emptyTable(unmatched(fallback)),
      response: emptyTable(after),
      settle: emptyTable(after),
    },
  };
}

const known = new WeakMap<Policy, Member>();

function memberOf(given: Policy): Member {
  const policy = checkPolicy(given);
  const found = known.get(policy);
  if (found !== undefined) return found;
  const compiled = compilePolicy(policy);
  const { id, namespace, version, priority } = policy.metadata;
  const summary: PolicySummary = {
    id,
    namespace,
    version,
    status: policy.status,
    priority,
    rules: policy.rules.length,
    hash: compiled.hash,
  };
  const member = { policy, name: `${namespace}/${id}`, compiled, summary, seen: 0 };
  known.set(policy, member);
  return member;
}

/** @throws PolicyError where an id stands twice in a namespace, or obligations conflict. */
function change(parts: Parts, removed: readonly Member[], given: readonly Member[]): Parts {
  const added = [...given].sort(order);
  const lost = removed.flatMap(({ compiled }) => compiled.rules);
  const come = added.flatMap(({ compiled }) => compiled.rules);
  const edits = editsOf(parts.members, removed, added);
  const members = spliced(parts.members, edits);
  const { claims, problems } = changeClaims(parts.claims, lost, come);
  const faults = [...duplicates(members, added), ...problems];
  if (faults.length > 0) throw new PolicyError(faults);
  const hashes = (members: readonly Member[]) => members.map(({ summary }) => summary.hash);
  const table = (phase: Phase) => changeTable(parts.tables[phase], tableChanges(parts.tables[phase], edits, phase));
  return {
    default: parts.default,
    members,
    claims,
    hash: changeSetHash(parts.hash, hashes(removed), hashes(added)),
    tables: { request: table('request'), response: table('response'), settle: table('settle') },
  };
}

/** At a place in the order of members: one that leaves, or some that come before it. */
interface Edit {
  readonly at: number;
  readonly removed: Member | undefined;
  readonly added: readonly Member[];
}

function editsOf(members: readonly Member[], removed: readonly Member[], added: readonly Member[]): readonly Edit[] {
  const gone = new Map(removed.map((member): [number, Member] => [placeOf(members, member), member]));
  const come = new Map<number, Member[]>();
  for (const member of added) {
    const at = placeOf(members, member);
    const list = come.get(at);
    if (list === undefined) come.set(at, [member]);
    else list.push(member);
  }
  const places = [...new Set([...gone.keys(), ...come.keys()])].sort((a, b) => a - b);
  return places.map((at) => ({ at, removed: gone.get(at), added: come.get(at) ?? [] }));
}

/** The first place whose member does not come before this one. */
function placeOf(members: readonly Member[], member: Member): number {
  let [low, high] = [0, members.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (order(members[middle] as Member, member) < 0) low = middle + 1;
    else high = middle;
  }
  return low;
}

function spliced(members: readonly Member[], edits: readonly Edit[]): readonly Member[] {
  const pieces: (readonly Member[])[] = [];
  let from = 0;
  for (const { at, removed, added } of edits) {
    pieces.push(members.slice(from, at), added);
    from = removed === undefined ? at : at + 1;
  }
  pieces.push(members.slice(from));
  return joined(pieces);
}

/** The same edits in one phase's list of rules, which stand in the order of their policies. */
function tableChanges({ rules }: PhaseTable, edits: readonly Edit[], phase: Phase): readonly TableChange[] {
  const own = (member: Member | undefined) => member?.compiled.rules.filter((rule) => rule.phase === phase) ?? [];
  return edits.map(({ removed, added }) => {
    const left = own(removed);
    const first = removed ?? added[0];
    const at = first === undefined ? rules.length : firstRule(rules, first.policy);
    return { at, removed: left.length, added: added.flatMap(own) };
  });
}

function firstRule(rules: readonly CompiledRule[], policy: Policy): number {
  let [low, high] = [0, rules.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (order(rules[middle] as CompiledRule, { policy }) < 0) low = middle + 1;
    else high = middle;
  }
  return low;
}

function order(a: { readonly policy: Policy }, b: { readonly policy: Policy }): number {
  const [x, y] = [a.policy.metadata, b.policy.metadata];
  return y.priority - x.priority || compared(x.namespace, y.namespace) || compared(x.id, y.id);
}

function compared(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function duplicates(members: readonly Member[], added: readonly Member[]): readonly PolicyProblem[] {
  const fresh = new Set(added.map(({ name }) => name));
  const seen = new Set<string>();
  const problems: PolicyProblem[] = [];
  for (const { name, policy } of members) {
    if (!fresh.has(name)) continue;
    if (seen.has(name)) {
      const { namespace, id } = policy.metadata;
      const { file = 'policies', line = 0 } = policy.source ?? {};
      const message = `the policy ${id} stands twice in the namespace ${namespace}`;
      problems.push({ file, line, column: line > 0 ? 1 : 0, message });
    }
    seen.add(name);
  }
  return problems;
}

function unmatched(fallback: 'allow' | 'deny'): Decision {
  const none: readonly never[] = Object.freeze([]);
  return Object.freeze({
    decision: fallback,
    allowed: fallback === 'allow',
    reason: `No rule matched; the default is ${fallback}.`,
    matchedPolicies: none,
    matchedRules: none,
    determining: none,
    overridden: none,
    shadowed: none,
    obligations: none,
    modifications: Object.freeze({ redact: none, set: Object.freeze({}), remove: none, addTags: none }),
    errors: none,
    unable: none,
    warnings: none,
    tags: none,
    blockedByRail: false,
  });
}
