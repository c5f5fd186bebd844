import { type Goal, solve } from '../analysis/solve.ts';
import { canonicalJson } from '../canonical.ts';
import { wishesOf } from '../claims.ts';
import type { CompiledRule } from '../compiled-rule.ts';
import { decide } from '../decide.ts';
import type { Decision } from '../decision.ts';
import { factsRead } from '../node.ts';
import type { Phase } from '../policy.ts';
import { inside, type Program } from '../program.ts';
import type { FactTree } from '../unable.ts';
import type { FindingCode } from './finding.ts';

/** What two rules are to each other, with facts on which it shows. */
export interface PairClaim {
  readonly code: FindingCode;
  readonly rule: CompiledRule;
  readonly other: CompiledRule;
  readonly message: string;
  readonly proof: readonly string[];
  readonly facts: FactTree;
  readonly decision: Decision;
}

/** Pairs of rules of one phase that are looked at; sets of more rules are told as not analysed. */
export const pairsMax = 100_000;

/** What the rules of a phase are to each other. Rules in order of precedence; `undefined` where there are too many. */
export function judgePairs(program: Program, phase: Phase): readonly PairClaim[] | undefined {
  const { rules } = inside(program).tables[phase];
  const enforced = rules.filter((rule) => rule.shadow === undefined);
  if (enforced.length ** 2 > 2 * pairsMax) return undefined;
  const context: Context = { program, phase, facts: new Map() };
  return enforced.flatMap((rule, position): readonly PairClaim[] => {
    const before = enforced.slice(0, position);
    const claim =
      first(before, (other) => duplicate(context, rule, other)) ??
      first(before, (other) => unreachable(context, rule, other)) ??
      first(enforced, (other) => shadowed(context, enforced, rule, other));
    return [
      ...(claim === undefined ? [] : [claim]),
      ...before.flatMap((other) => contradictory(context, rule, other) ?? []),
    ];
  });
}

interface Context {
  readonly program: Program;
  readonly phase: Phase;
  readonly facts: Map<CompiledRule, ReadonlySet<string>>;
}

function first<T>(rules: readonly CompiledRule[], judge: (other: CompiledRule) => T | undefined): T | undefined {
  for (const other of rules) {
    const claim = judge(other);
    if (claim !== undefined) return claim;
  }
  return undefined;
}

function duplicate(context: Context, rule: CompiledRule, other: CompiledRule): PairClaim | undefined {
  if (doing(rule) !== doing(other) || rule.policy.metadata.namespace !== other.policy.metadata.namespace)
    return undefined;
  const [one, two] = [covers(context, rule, other), covers(context, other, rule)];
  if (one === undefined || two === undefined) return undefined;
  return shown(
    context,
    'duplicate',
    rule,
    other,
    `it says the same as ${other.ref}`,
    [...new Set([...one, ...two])],
    (decision) => [rule, other].every(({ ref }) => decision.matchedRules.includes(ref)),
  );
}

function unreachable(context: Context, rule: CompiledRule, other: CompiledRule): PairClaim | undefined {
  if (!other.final || other.policy.metadata.priority <= rule.policy.metadata.priority) return undefined;
  const proof = covers(context, other, rule);
  if (proof === undefined) return undefined;
  const message = `it is never reached: whenever it would match, the final allow ${other.ref} ends the evaluation before it`;
  return shown(
    context,
    'unreachable',
    rule,
    other,
    message,
    proof,
    ({ matchedRules }) => matchedRules.includes(other.ref) && !matchedRules.includes(rule.ref),
  );
}

// A reply is judged piece by piece, so what one rule of it takes from another is not told by the whole.
function shadowed(
  context: Context,
  rules: readonly CompiledRule[],
  rule: CompiledRule,
  other: CompiledRule,
): PairClaim | undefined {
  if (rule === other || context.phase === 'response' || other.effect !== 'deny') return undefined;
  if (rule.final || rule.effect === 'audit' || rule.audit !== undefined) return undefined;
  const [own, others] = [rule.policy.metadata.priority, other.policy.metadata.priority];
  const earlier = rules.indexOf(other) < rules.indexOf(rule);
  if (rule.effect === 'deny' && !earlier) return undefined;
  if (others < own && rules.some(({ final, policy }) => final && policy.metadata.priority > others)) return undefined;
  const proof = covers(context, other, rule);
  if (proof === undefined) return undefined;
  const told = rule.effect === 'deny' ? 'its reason is never told' : `it never has an effect`;
  const message = `${told}: whenever it matches, ${other.ref} denies`;
  return shown(
    context,
    'shadowed',
    rule,
    other,
    message,
    proof,
    ({ decision, determining, matchedRules }) =>
      decision === 'deny' &&
      matchedRules.includes(rule.ref) &&
      determining.includes(other.ref) &&
      determining[0] !== rule.ref,
  );
}

function contradictory(context: Context, rule: CompiledRule, other: CompiledRule): PairClaim | undefined {
  if (rule.policy.metadata.priority !== other.policy.metadata.priority) return undefined;
  const wishes = new Map(wishesOf(other));
  const clash = wishesOf(rule).find(([target, value]) => wishes.has(target) && wishes.get(target) !== value);
  if (clash === undefined) return undefined;
  const answer = solve([goal(rule), goal(other)]);
  if (answer.kind !== 'possible') return undefined;
  const decision = decide(context.program, context.phase, answer.facts);
  if (!decision.overridden.some((ref) => ref === rule.ref || ref === other.ref)) return undefined;
  const message = `it and ${other.ref} match together at priority ${rule.policy.metadata.priority} and want different values of ${clash[0]}`;
  return { code: 'contradictory', rule, other, message, proof: [], facts: answer.facts, decision };
}

const goal = ({ node }: CompiledRule): Goal => ({ node, want: 'true' });

/** Why `other` matches whenever `rule` does, undecided facts included; undefined where that is not so, or not known. */
function covers(context: Context, other: CompiledRule, rule: CompiledRule): readonly string[] | undefined {
  if (other.node === undefined) return [`${other.ref} always matches`];
  if (rule.node === undefined || !sharesFacts(context, rule, other)) return undefined;
  const answer = solve([goal(rule), { node: other.node, want: 'not_true' }]);
  return answer.kind === 'impossible' ? answer.reasons : undefined;
}

// A claim is made where facts show it, and not before they were decided on.
function shown(
  { program, phase }: Context,
  code: FindingCode,
  rule: CompiledRule,
  other: CompiledRule,
  message: string,
  proof: readonly string[],
  holds: (decision: Decision) => boolean,
): PairClaim | undefined {
  const answer = solve([goal(rule)]);
  if (answer.kind !== 'possible') return undefined;
  const decision = decide(program, phase, answer.facts);
  return holds(decision) ? { code, rule, other, message, proof, facts: answer.facts, decision } : undefined;
}

function doing({ effect, obligations, status, code, final, audit, tags, onError, rule }: CompiledRule): string {
  const wished = obligations.map(({ rule: _, ...obligation }) => obligation);
  return canonicalJson(
    JSON.parse(JSON.stringify([effect, wished, status, code, final, audit, tags, onError, rule.action.reason])),
  );
}

function sharesFacts({ facts }: Context, a: CompiledRule, b: CompiledRule): boolean {
  const read = (rule: CompiledRule) => {
    let names = facts.get(rule);
    if (names === undefined) {
      names = new Set(rule.leaves.flatMap((leaf) => factsRead(leaf).map(({ name }) => name)));
      facts.set(rule, names);
    }
    return names;
  };
  const other = read(b);
  return [...read(a)].some((name) => other.has(name));
}
