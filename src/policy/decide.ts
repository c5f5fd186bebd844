import { CelError } from './cel/values.ts';
import type { CompiledRule } from './compiled-rule.ts';
import type { Decision, Doubt, Shadowed } from './decision.ts';
import { reader, TRUE, UNABLE } from './leaf.ts';
import { type EndNode, type ExpressionNode, isExpression, undecidedLeaves } from './node.ts';
import { merge, mergeAudit, unmodified } from './obligations.ts';
import { typeName } from './operators.ts';
import type { PhaseTable } from './phase-table.ts';
import type { AuditWish, Effect, Phase } from './policy.ts';
import { inside, type Program } from './program.ts';
import { clip } from './reader.ts';
import { candidates, type FieldIndex, type Slots } from './rule-index.ts';
import { type Masks, remaining } from './rule-masks.ts';
import { type FactTree, notAsked, Unable } from './unable.ts';

/**
 * Facts in, decision out. Pure: the same program and facts give the same decision, and time and state are facts.
 * Never throws on facts, whatever they are: one that is `Unable` or of the wrong type leaves the rules that hinge on it
 * undecided, and `on_error` answers for those.
 */
export function decide(program: Program, phase: Phase, facts: FactTree): Decision {
  const table = inside(program).tables[phase];
  return combine(table, evaluate(table, facts), facts);
}

/** `decide` without index and folding: asks every rule as it is written. Neither may change a decision, and this is what they are held to. */
export function decideNaive(program: Program, phase: Phase, facts: FactTree): Decision {
  const table = inside(program).tables[phase];
  const found: Found = { hits: [], doubts: [] };
  for (const [position, { node }] of table.rules.entries()) {
    const outcome = node === undefined ? TRUE : node.test(facts);
    if (outcome === TRUE) found.hits.push(position);
    else if (outcome === UNABLE) found.doubts.push(position);
  }
  return combine(table, found, facts);
}

/** Positions of rules that match, and of rules that could not be decided; both ascending. */
export interface Found {
  hits: number[];
  doubts: number[];
}

/** The list with one more. Most hold one at the most, and an empty array that grows takes room for seventeen. */
function joined(list: number[], position: number): number[] {
  if (list.length === 0) return [position];
  list.push(position);
  return list;
}

/** Which rules match, and which are undecided. */
export function evaluate(table: PhaseTable, facts: FactTree): Found {
  const found: Found = { hits: [], doubts: [] };
  const { always, fields } = table.index;
  for (let i = 0; i < always.length; i++) look(table, always[i] as number, facts, found);
  for (let f = 0; f < fields.length; f++) {
    const bucket = candidates(fields[f] as FieldIndex, facts);
    if (bucket === undefined) continue;
    const { slots, masks } = bucket;
    if (masks !== undefined) lookAtRemaining(table, slots, masks, facts, found);
    else for (let i = 0; i < slots.length; i++) look(table, slots[i] as number, facts, found);
  }
  if (found.hits.length > 1) found.hits.sort(ascending);
  if (found.doubts.length > 1) found.doubts.sort(ascending);
  return found;
}

function lookAtRemaining(table: PhaseTable, slots: Slots, masks: Masks, facts: FactTree, found: Found): void {
  const bits = remaining(masks, slots.length, facts);
  for (let word = 0; word < masks.words; word++) {
    for (let left = bits[word] as number; left !== 0; left &= left - 1)
      look(table, slots[word * 32 + 31 - Math.clz32(left & -left)] as number, facts, found);
  }
}

function look(table: PhaseTable, slot: number, facts: FactTree, found: Found): void {
  const { test } = table.slots[slot] as CompiledRule;
  const outcome = test === undefined ? TRUE : test(facts);
  if (outcome === TRUE) found.hits = joined(found.hits, table.ranks[slot] as number);
  else if (outcome === UNABLE) found.doubts = joined(found.doubts, table.ranks[slot] as number);
}

function ascending(a: number, b: number): number {
  return a - b;
}

// What a rule amounts to in this decision.
interface Vote {
  readonly rule: CompiledRule;
  readonly effect: Effect;
  readonly reason: string;
  readonly doubted: boolean;
}

const rank: Readonly<Record<Effect, number>> = {
  deny: 0,
  approve: 1,
  throttle: 2,
  modify: 3,
  warn: 4,
  audit: 5,
  allow: 6,
};
const none: readonly never[] = Object.freeze([]);

function combine(table: PhaseTable, found: Found, facts: FactTree): Decision {
  const { hits, doubts } = found;
  if (hits.length === 0 && doubts.length === 0) return table.unmatched;
  // Rules that say the same whatever the facts make the same decision whenever the same of them match: it is made once.
  if (doubts.length > 0 || !allConstant(table, hits)) return weigh(table, found, facts);
  const key = hits.length === 1 ? String(hits[0]) : hits.join();
  let decision = table.decided.get(key);
  if (decision === undefined) {
    decision = Object.freeze(weigh(table, found, facts));
    if (table.decided.size >= decidedMax) table.decided.clear();
    table.decided.set(key, decision);
  }
  return decision;
}

/** Decisions kept for each phase of a program. */
const decidedMax = 1024;

function allConstant({ rules }: PhaseTable, hits: readonly number[]): boolean {
  for (let i = 0; i < hits.length; i++)
    if ((rules[hits[i] as number] as CompiledRule).reason.facts.length > 0) return false;
  return true;
}

function weigh(table: PhaseTable, { hits, doubts }: Found, facts: FactTree): Decision {
  const { rules } = table;
  const floor = finalPriority(rules, hits);
  const matched: CompiledRule[] = [];
  const votes: Vote[] = [];
  const shadowed: Shadowed[] = [];
  const errors: Doubt[] = [];
  const unable: Doubt[] = [];
  for (let h = 0, d = 0; h < hits.length || d < doubts.length; ) {
    const hit = hits[h] ?? Number.POSITIVE_INFINITY;
    const doubt = doubts[d] ?? Number.POSITIVE_INFINITY;
    const doubted = doubt < hit;
    if (doubted) d++;
    else h++;
    const rule = rules[doubted ? doubt : hit] as CompiledRule;
    // A final allow ends the rules below it; what is only watched is still told.
    if (rule.shadow === undefined && rule.policy.metadata.priority < floor) continue;
    let why = '';
    let asked = true;
    if (doubted) {
      const found = doubtsOf(rule, facts);
      for (const { error, ...entry } of found) {
        if (error) errors.push(entry);
        else unable.push(entry);
      }
      asked = found.every(({ reason }) => reason !== notAsked);
      why = `Could not be checked: ${found.map((entry) => `${entry.fact} (${entry.reason})`).join(', ')}`;
    }
    if (rule.shadow !== undefined) {
      shadowed.push(shadow(rule, doubted, why, facts));
      continue;
    }
    if (!doubted) {
      matched.push(rule);
      votes.push({ rule, effect: rule.effect, reason: rule.reason.render(facts), doubted });
    } else if (!asked && votes.some((vote) => vote.effect === 'deny' && !vote.doubted)) {
      // Nobody asked since the call is denied already: that rule has no say, and none is missed.
    } else if (rule.onError !== 'skip') votes.push({ rule, effect: rule.onError, reason: why, doubted });
  }
  return conclude(table, matched, votes, { shadowed, errors, unable });
}

/** Rules of a lower priority than this count for nothing: the highest `final` one that matches ended them. */
export function finalPriority(rules: readonly CompiledRule[], hits: readonly number[]): number {
  for (const position of hits) {
    const rule = rules[position] as CompiledRule;
    if (rule.final && rule.shadow === undefined) return rule.policy.metadata.priority;
  }
  return Number.NEGATIVE_INFINITY;
}

function shadow(rule: CompiledRule, doubted: boolean, why: string, facts: FactTree): Shadowed {
  const decision = doubted ? (rule.onError === 'skip' ? 'audit' : rule.onError) : rule.effect;
  return { rule: rule.ref, decision, reason: doubted ? why : rule.reason.render(facts), unable: doubted };
}

function doubtsOf(rule: CompiledRule, facts: FactTree): readonly (Doubt & { readonly error: boolean })[] {
  const leaves = rule.node === undefined ? [] : undecidedLeaves(rule.node, facts);
  return leaves.map((leaf) => ({ rule: rule.ref, ...doubtOf(leaf, facts) }));
}

function doubtOf(leaf: EndNode, facts: FactTree): Omit<Doubt, 'rule'> & { readonly error: boolean } {
  if (isExpression(leaf)) return expressionDoubt(leaf, facts);
  const { fact, read } = leaf;
  const value = read(facts);
  const inner = Array.isArray(value) ? value.find((item) => item instanceof Unable) : value;
  if (inner instanceof Unable) return { fact: fact.name, reason: inner.reason, error: false };
  return { fact: fact.name, reason: `is not ${typeName(fact.type)}`, error: true };
}

// The fact it hinged on, where that is what could not be computed; otherwise the expression itself.
function expressionDoubt({ expression, facts: read, evaluate }: ExpressionNode, facts: FactTree) {
  const value = evaluate(facts);
  const reason = value instanceof Unable ? value.reason : 'is undecided';
  const error = value instanceof CelError;
  const fact = read.find((one) => {
    const given = reader(one)(facts);
    return error ? false : given === value || (Array.isArray(given) && given.includes(value));
  });
  return { fact: fact?.name ?? clip(expression), reason, error };
}

function conclude(
  table: PhaseTable,
  matched: readonly CompiledRule[],
  votes: readonly Vote[],
  told: Pick<Decision, 'shadowed' | 'errors' | 'unable'>,
): Decision {
  const { unmatched } = table;
  let headline: Effect = 'allow';
  let best = Number.POSITIVE_INFINITY;
  let audit: AuditWish | undefined;
  for (let i = 0; i < votes.length; i++) {
    const { rule, effect } = votes[i] as Vote;
    if (rank[effect] < best) {
      best = rank[effect];
      headline = effect;
    }
    if (rule.audit !== undefined) audit = mergeAudit(audit, rule.audit);
  }
  // An audit rule only records: by itself it does not open what is closed by default.
  const byDefault =
    votes.length === 0 ||
    (headline === 'audit' && !unmatched.allowed && !votes.some((vote) => vote.effect === 'allow'));
  if (byDefault) headline = unmatched.decision;
  const determining = byDefault ? none : votes.filter((vote) => vote.effect === headline);
  const first = determining[0];
  const merged = headline === 'deny' ? unmodified : merge(matched);
  const [only] = matched;
  const single = matched.length === 1 && only !== undefined ? only : undefined;
  return {
    decision: headline,
    // What needs an approval does not pass by itself.
    allowed: headline !== 'deny' && headline !== 'approve',
    reason: first === undefined ? unmatched.reason : first.reason,
    ...(first === undefined
      ? undefined
      : { policyId: first.rule.policy.metadata.id, policyVersion: first.rule.policy.metadata.version }),
    ...(first?.rule.status === undefined || headline !== 'deny' ? undefined : { status: first.rule.status }),
    ...(first?.rule.code === undefined || headline !== 'deny' ? undefined : { code: first.rule.code }),
    matchedPolicies: single?.policyIds ?? unique(matched.map((rule) => rule.policy.metadata.id)),
    matchedRules: single?.refs ?? matched.map((rule) => rule.ref),
    determining:
      determining.length === 1 && first !== undefined ? first.rule.refs : determining.map((vote) => vote.rule.ref),
    overridden: merged.overridden,
    shadowed: told.shadowed,
    obligations: merged.obligations,
    modifications: merged.modifications,
    errors: told.errors,
    unable: told.unable,
    warnings: votes.some((vote) => vote.effect === 'warn')
      ? votes.filter((vote) => vote.effect === 'warn').map((vote) => vote.reason)
      : none,
    tags: single?.tags ?? unique(matched.flatMap((rule) => rule.tags)),
    blockedByRail: headline === 'deny' && first !== undefined && first.rule.readsRail && !first.doubted,
    ...(audit === undefined ? undefined : { audit }),
    ...(matched.some(counts) ? { metrics: countersOf(matched) } : undefined),
  };
}

function counts({ rule }: CompiledRule): boolean {
  return rule.metrics !== undefined;
}

function countersOf(matched: readonly CompiledRule[]): Decision['metrics'] & object {
  return Object.fromEntries(matched.filter(counts).map(({ ref, rule }) => [ref, rule.metrics ?? none] as const));
}

function unique(list: readonly string[]): readonly string[] {
  return list.length < 2 ? list : [...new Set(list)];
}
