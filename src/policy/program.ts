import { canonicalJson, contentHash } from './canonical.ts';
import { type CompiledRule, compilePolicy } from './compiled-rule.ts';
import type { Decision } from './decision.ts';
import { type Needs, needsOf } from './needs.ts';
import { checkPolicy } from './parse.ts';
import type { Phase, Policy, Status } from './policy.ts';
import { PolicyError, type PolicyProblem, wholeProblem } from './problem.ts';
import { indexRules, type RuleIndex } from './rule-index.ts';

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

/** One phase of a program: its rules in order of precedence, and how to find the ones that may match. */
export interface PhaseTable {
  readonly rules: readonly CompiledRule[];
  readonly index: RuleIndex;
  readonly needs: Needs;
  /** The decision where nothing matched. */
  readonly unmatched: Decision;
  /** Decisions made before, by the positions of the rules that matched; only of rules whose reasons name no fact. */
  readonly decided: Map<string, Decision>;
}

export class CompiledProgram implements Program {
  readonly id: string;
  readonly policies: readonly PolicySummary[];
  readonly default: 'allow' | 'deny';
  readonly bufferBytesMax: number;
  readonly tables: Readonly<Record<Phase, PhaseTable>>;

  constructor(id: string, policies: readonly PolicySummary[], rules: readonly CompiledRule[], options: CompileOptions) {
    this.id = id;
    this.policies = policies;
    this.default = options.default ?? 'deny';
    this.bufferBytesMax = options.bufferBytesMax ?? 4 * 1024 * 1024;
    const table = (phase: Phase): PhaseTable => {
      const own = rules.filter((rule) => rule.phase === phase);
      // The default is about calls. A reply answers one that was allowed: no rule about it means nothing against it.
      const otherwise = phase === 'request' ? this.default : 'allow';
      return {
        rules: own,
        index: indexRules(own),
        needs: needsOf(own),
        unmatched: unmatched(otherwise),
        decided: new Map(),
      };
    };
    this.tables = { request: table('request'), response: table('response'), settle: table('settle') };
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
  const sorted = policies.map(checkPolicy).sort(precedence);
  const compiled = sorted.map(compilePolicy);
  const rules = compiled.flatMap((policy) => policy.rules);
  const problems = [...duplicates(sorted), ...conflicts(rules)];
  if (problems.length > 0) throw new PolicyError(problems);
  const summaries = sorted.map((policy, i): PolicySummary => {
    const { id, namespace, version, priority } = policy.metadata;
    return {
      id,
      namespace,
      version,
      status: policy.status,
      priority,
      rules: policy.rules.length,
      hash: compiled[i]?.hash ?? '',
    };
  });
  const id = contentHash(`${options.default ?? 'deny'} ${summaries.map((summary) => summary.hash).join(' ')}`);
  return new CompiledProgram(id, Object.freeze(summaries), rules, options);
}

function precedence(a: Policy, b: Policy): number {
  const [x, y] = [a.metadata, b.metadata];
  return y.priority - x.priority || order(x.namespace, y.namespace) || order(x.id, y.id);
}

function order(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function duplicates(policies: readonly Policy[]): readonly PolicyProblem[] {
  const seen = new Set<string>();
  return policies.flatMap((policy) => {
    const { namespace, id } = policy.metadata;
    const key = `${namespace}/${id}`;
    if (!seen.has(key)) {
      seen.add(key);
      return [];
    }
    const { file = 'policies', line = 0 } = policy.source ?? {};
    return [
      { file, line, column: line > 0 ? 1 : 0, message: `the policy ${id} stands twice in the namespace ${namespace}` },
    ];
  });
}

// Two rules of equal priority that match on the same facts and want different things cannot both have their way.
function conflicts(rules: readonly CompiledRule[]): readonly PolicyProblem[] {
  const wishes = new Map<string, { readonly rule: CompiledRule; readonly value: string }>();
  const problems: PolicyProblem[] = [];
  for (const rule of rules) {
    if (rule.shadow !== undefined || rule.obligations.length === 0) continue;
    const when = canonicalJson([
      rule.policy.metadata.priority,
      rule.phase,
      rule.policy.applies_to ?? null,
      rule.rule.condition ?? rule.rule.when ?? null,
      rule.policy.params ?? null,
    ]);
    for (const [target, value] of wishesOf(rule)) {
      const key = `${when} ${target}`;
      const other = wishes.get(key);
      if (other === undefined) wishes.set(key, { rule, value });
      else if (other.value !== value) {
        const { file = 'policies', line = 0 } = rule.policy.source ?? {};
        const message = `${rule.ref} and ${other.rule.ref} match together at priority ${rule.policy.metadata.priority} and want different values of ${target}`;
        problems.push({ file, line, column: line > 0 ? 1 : 0, message });
      }
    }
  }
  return problems;
}

/** What a rule wants of what only one value can be had of: the target, and the value. */
export function wishesOf(rule: CompiledRule): readonly (readonly [target: string, value: string])[] {
  return rule.obligations.flatMap((obligation): (readonly [string, string])[] => {
    switch (obligation.type) {
      case 'substitute_model':
        return [['substitute_model', obligation.model]];
      case 'set':
        return Object.entries(obligation.set).map(([path, value]) => [`set ${path}`, canonicalJson(value)] as const);
      case 'remove':
        return obligation.remove.map((path) => [`set ${path}`, 'removed'] as const);
      default:
        return [];
    }
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
