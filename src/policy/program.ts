import { type Claims, changeClaims } from './claims.ts';
import { type CompiledPolicy, type CompiledRule, compilePolicy } from './compiled-rule.ts';
import type { Decision } from './decision.ts';
import type { Needs } from './needs.ts';
import { checkPolicy } from './parse.ts';
import { changeTable, emptyTable, type PhaseTable, type TableChange } from './phase-table.ts';
import type { Phase, Policy, Status } from './policy.ts';
import { PolicyError, type PolicyProblem, wholeProblem } from './problem.ts';
import { changeSetHash, emptySetHash, programId, type SetHash } from './program-id.ts';

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

export interface CompileOptions {
  /** What holds where no rule matched. The engine's own default is deny. */
  readonly default?: 'allow' | 'deny';
  /** Most bytes of a reply that is held whole for `stream: buffer`; over it the reply is refused. Default 4 MiB. */
  readonly bufferBytesMax?: number;
  /** A set without policies is an error unless this says otherwise: a vanished mount must not mean allow. */
  readonly emptyAllowed?: boolean;
  /**
   * A program that most of these policies, the same objects, are compiled in: only the others are compiled, and its tables
   * are changed where they differ. The result is the same as without it.
   */
  readonly previous?: Program | undefined;
}

/** Policies compiled together. Immutable; the same content has the same id, in whatever order it was given. */
export interface Program {
  /** `sha256:...` of the canonical content. */
  readonly id: string;
  readonly policies: readonly PolicySummary[];
  readonly default: 'allow' | 'deny';
  /** The facts and rails the rules of a phase read. */
  needs(phase: Phase): Needs;
  /** Whether any rule is of this phase. */
  has(phase: Phase): boolean;
}

/** A policy in a program. */
interface Member {
  readonly policy: Policy;
  readonly compiled: CompiledPolicy;
  readonly summary: PolicySummary;
}

/** All that is kept of a set of policies, so that another set can be compiled from it. */
interface Parts {
  readonly default: 'allow' | 'deny';
  /** In order of precedence. */
  readonly members: readonly Member[];
  readonly byPolicy: ReadonlyMap<Policy, Member>;
  readonly names: ReadonlySet<string>;
  readonly claims: Claims;
  readonly hash: SetHash;
  readonly tables: Readonly<Record<Phase, PhaseTable>>;
}

export class CompiledProgram implements Program {
  readonly id: string;
  readonly default: 'allow' | 'deny';
  readonly bufferBytesMax: number;
  readonly tables: Readonly<Record<Phase, PhaseTable>>;
  readonly parts: Parts;
  #policies: readonly PolicySummary[] | undefined;

  constructor(parts: Parts, options: CompileOptions) {
    this.id = programId(parts.hash, parts.default);
    this.default = parts.default;
    this.bufferBytesMax = options.bufferBytesMax ?? 4 * 1024 * 1024;
    this.tables = parts.tables;
    this.parts = parts;
  }

  get policies(): readonly PolicySummary[] {
    this.#policies ??= Object.freeze(this.parts.members.map(({ summary }) => summary));
    return this.#policies;
  }

  needs(phase: Phase): Needs {
    return this.tables[phase].needs;
  }

  has(phase: Phase): boolean {
    return this.tables[phase].rules.length > 0;
  }
}

/** The inside of a program, for this room. */
export function inside(program: Program): CompiledProgram {
  if (program instanceof CompiledProgram) return program;
  throw new TypeError('a program comes from compile()');
}

/**
 * Compiles a set of policies. Order of the list plays no part: rules go by priority, namespace, id, position.
 * Policies that are `draft` or `disabled`, and rules with `enabled: false`, are listed and not considered.
 * @throws PolicyError where the set is empty, an id stands twice in a namespace, or obligations conflict.
 */
export function compile(policies: readonly Policy[], options: CompileOptions = {}): Program {
  if (policies.length === 0 && options.emptyAllowed !== true)
    throw new PolicyError([wholeProblem('policies', 'the policy set is empty')]);
  const fallback = options.default ?? 'deny';
  const changed =
    options.previous === undefined ? undefined : changedFrom(inside(options.previous), policies, fallback);
  return new CompiledProgram(changed ?? change(emptyParts(fallback), [], policies.map(memberOf)), options);
}

/** Undefined where the sets have too little in common, or something is wrong: compiling anew then tells what. */
function changedFrom(
  { parts }: CompiledProgram,
  policies: readonly Policy[],
  fallback: 'allow' | 'deny',
): Parts | undefined {
  const given = new Set(policies);
  if (parts.default !== fallback || given.size !== policies.length) return undefined;
  const added = policies.filter((policy) => !parts.byPolicy.has(policy));
  const removed = parts.members.filter(({ policy }) => !given.has(policy));
  const worn = Object.values(parts.tables).some(({ slots, rules }) => slots.length > 64 + rules.length * 2);
  if (worn || (added.length + removed.length) * 4 > policies.length) return undefined;
  try {
    return change(parts, removed, added.map(memberOf));
  } catch (thrown) {
    if (thrown instanceof PolicyError) return undefined;
    throw thrown;
  }
}

function emptyParts(fallback: 'allow' | 'deny'): Parts {
  // The default is about calls. A reply answers one that was allowed: no rule about it means nothing against it.
  const after = unmatched('allow');
  return {
    default: fallback,
    members: [],
    byPolicy: new Map(),
    names: new Set(),
    claims: new Map(),
    hash: emptySetHash,
    tables: {
      request: emptyTable(unmatched(fallback)),
      response: emptyTable(after),
      settle: emptyTable(after),
    },
  };
}

function memberOf(given: Policy): Member {
  const policy = checkPolicy(given);
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
  return { policy, compiled, summary };
}

/** @throws PolicyError where an id stands twice in a namespace, or obligations conflict. */
function change(parts: Parts, removed: readonly Member[], given: readonly Member[]): Parts {
  const added = [...given].sort(order);
  const lost = removed.flatMap(({ compiled }) => compiled.rules);
  const come = added.flatMap(({ compiled }) => compiled.rules);
  const names = new Set(parts.names);
  for (const { policy } of removed) names.delete(nameOf(policy));
  const { claims, problems } = changeClaims(parts.claims, lost, come);
  const faults = [...duplicates(names, added), ...problems];
  if (faults.length > 0) throw new PolicyError(faults);
  const edits = editsOf(parts.members, removed, added);
  const byPolicy = new Map(parts.byPolicy);
  for (const { policy } of removed) byPolicy.delete(policy);
  for (const member of added) byPolicy.set(member.policy, member);
  const hashes = (members: readonly Member[]) => members.map(({ summary }) => summary.hash);
  const table = (phase: Phase) => changeTable(parts.tables[phase], tableChanges(parts.tables[phase], edits, phase));
  return {
    default: parts.default,
    members: spliced(parts.members, edits),
    byPolicy,
    names,
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
  const result: Member[] = [];
  let from = 0;
  for (const { at, removed, added } of edits) {
    for (; from < at; from++) result.push(members[from] as Member);
    result.push(...added);
    if (removed !== undefined) from = at + 1;
  }
  for (; from < members.length; from++) result.push(members[from] as Member);
  return result;
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

function nameOf({ metadata }: Policy): string {
  return `${metadata.namespace}/${metadata.id}`;
}

/** Adds the names of policies; those that are there already are problems. */
function duplicates(names: Set<string>, added: readonly Member[]): readonly PolicyProblem[] {
  return added.flatMap(({ policy }) => {
    const name = nameOf(policy);
    if (!names.has(name)) {
      names.add(name);
      return [];
    }
    const { namespace, id } = policy.metadata;
    const { file = 'policies', line = 0 } = policy.source ?? {};
    return [
      { file, line, column: line > 0 ? 1 : 0, message: `the policy ${id} stands twice in the namespace ${namespace}` },
    ];
  });
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
