import { type Goal, solve } from '../analysis/solve.ts';
import { canonicalJson } from '../canonical.ts';
import { wishesOf } from '../claims.ts';
import type { CompiledRule } from '../compiled-rule.ts';
import { decide } from '../decide.ts';
import type { Decision, Obligation } from '../decision.ts';
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
      first(enforced, (other) => shadowed(context, enforced, rule, other)) ??
      first(enforced, (other) => outdone(context, enforced, rule, other));
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
  if (rule.final || rule.effect === 'audit' || isTold(rule)) return undefined;
  const [own, others] = [rule.policy.metadata.priority, other.policy.metadata.priority];
  const earlier = rules.indexOf(other) < rules.indexOf(rule);
  if (rule.effect === 'deny' && !earlier) return undefined;
  if (others < own && mayBeEnded(rules, other)) return undefined;
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

/**
 * A rule whose every wish is met by another that matches whenever it does: a stricter limit, an approval by the same
 * people, a value that stands before its own.
 */
function outdone(
  context: Context,
  rules: readonly CompiledRule[],
  rule: CompiledRule,
  other: CompiledRule,
): PairClaim | undefined {
  if (rule === other || context.phase === 'response' || rule.effect !== other.effect) return undefined;
  if (!['throttle', 'approve', 'modify'].includes(rule.effect) || isTold(rule)) return undefined;
  const earlier = rules.indexOf(other) < rules.indexOf(rule);
  if (!earlier && mayBeEnded(rules, other)) return undefined;
  if (!rule.obligations.every((wish) => other.obligations.some((one) => outdoes(one, wish, earlier)))) return undefined;
  const proof = covers(context, other, rule);
  if (proof === undefined) return undefined;
  const message = `it changes nothing when it matches: ${other.ref} matches too, and ${more[rule.effect as keyof typeof more]}`;
  return shown(
    context,
    'shadowed',
    rule,
    other,
    message,
    proof,
    ({ decision, matchedRules }) => decision !== 'deny' && [rule, other].every(({ ref }) => matchedRules.includes(ref)),
  );
}

const more = {
  throttle: 'limits as strictly or more strictly, and counts no fewer calls',
  approve: 'asks the same people, for no longer',
  modify: 'has the same done, or its values stand instead',
} as const;

/** Whether `wish` changes nothing where `one` is there. `earlier`: of two values for one thing that one's stands. */
function outdoes(one: Obligation, wish: Obligation, earlier: boolean): boolean {
  switch (wish.type) {
    case 'throttle':
      return (
        one.type === 'throttle' &&
        one.unit === wish.unit &&
        one.per === wish.per &&
        one.window_ms === wish.window_ms &&
        one.limit <= wish.limit &&
        (one.limit < wish.limit || earlier)
      );
    case 'approve':
      return (
        one.type === 'approve' &&
        one.role === wish.role &&
        one.ttl_seconds <= wish.ttl_seconds &&
        (one.ttl_seconds < wish.ttl_seconds || earlier)
      );
    case 'substitute_model':
    case 'route_to':
      return one.type === wish.type && earlier;
    case 'cap_max_tokens':
      if (one.type !== 'cap_max_tokens' || 'affordable' in wish || 'affordable' in one) return false;
      return one.tokens < wish.tokens || (one.tokens === wish.tokens && earlier);
    case 'retry':
      return (
        one.type === 'retry' &&
        wish.when.every((code) => one.when.includes(code)) &&
        (one.max < wish.max || (one.max === wish.max && earlier))
      );
    default:
      return false;
  }
}

/** Something of it is known of a call even where nothing of it is done. */
function isTold({ audit, tags, rule }: CompiledRule): boolean {
  return audit !== undefined || tags.length > 0 || rule.metrics !== undefined;
}

/** Whether a final allow may keep a rule from being reached. */
function mayBeEnded(rules: readonly CompiledRule[], { policy }: CompiledRule): boolean {
  return rules.some((one) => one.final && one.policy.metadata.priority > policy.metadata.priority);
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
    JSON.parse(
      JSON.stringify([effect, wished, status, code, final, audit, tags, rule.metrics, onError, rule.action.reason]),
    ),
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
