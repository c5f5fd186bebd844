import type { CompiledRule } from './compiled-rule.ts';
import { FALSE, type Outcome, TRUE, UNABLE } from './leaf.ts';
import { type EndNode, factsRead, isBranch, type Node } from './node.ts';
import { findingsOf, type PatternRef, patternKey, patternsOf } from './pattern.ts';
import type { Effect, StreamMode } from './policy.ts';
import { type CompiledProgram, inside, type Program } from './program.ts';
import { railOf, railStreams } from './rails.ts';
import type { FactTree } from './unable.ts';

/** What a match of a pattern means. */
export type Verdict =
  | {
      readonly effect: 'deny';
      readonly rule: string;
      readonly status?: number;
      readonly code: string;
      readonly reason: string;
    }
  | { readonly effect: 'redact'; readonly with: string; readonly rule: string }
  /** Nothing happens to the reply; the rule wants it known. `decision` is what it would say. */
  | { readonly effect: 'note'; readonly rule: string; readonly decision: Effect };

/** How a reply is to be guarded, known before its first byte. */
export interface ResponsePlan {
  readonly mode: 'none' | StreamMode;
  /**
   * What to search for, strictest verdict first, nothing twice. The list is the same object for plans that search for
   * the same things, so a matcher compiled from it can be kept by identity.
   */
  readonly patterns: readonly PatternRef[];
  /** `verdicts[i]` belongs to `patterns[i]`. */
  readonly verdicts: readonly Verdict[];
  /** Most bytes to hold in mode `buffer`; a longer reply is refused. */
  readonly bufferBytesMax: number;
}

const strictness: Readonly<Record<ResponsePlan['mode'], number>> = { none: 0, observe: 1, hold_back: 2, buffer: 3 };
const effectRank: Readonly<Record<Verdict['effect'], number>> = { deny: 0, redact: 1, note: 2 };
/** Plans, and lists of patterns, kept for one program. */
const keptMax = 256;

interface Kept {
  /** The comparisons of the request in response rules: the plan follows from their outcomes alone, unless a reason tells more. */
  readonly asked: readonly EndNode[];
  readonly constant: boolean;
  readonly plans: Map<string, ResponsePlan>;
  readonly lists: Map<string, readonly PatternRef[]>;
}

const kept = new WeakMap<CompiledProgram, Kept>();

/**
 * Evaluates the response rules with the facts of the request, once; what remains are conditions on the reply. `facts`
 * are the request's: whatever it holds under `response` and `rails` is not looked at.
 *
 * In `hold_back` and `observe` the verdicts are all there is to do while the reply runs. In `buffer` the whole reply is
 * held and `decide(program, 'response', ...)` answers; a match with a deny verdict may end it earlier. In every mode
 * `decide` with the facts of the reply says the same as the verdicts of what was found.
 */
export function planResponse(program: Program, facts: FactTree): ResponsePlan {
  const compiled = inside(program);
  const memory = kept.get(compiled) ?? remember(compiled);
  if (!memory.constant) return makePlan(compiled, facts, memory);
  let key = '';
  for (const leaf of memory.asked) key += leaf.test(facts);
  const known = memory.plans.get(key);
  if (known !== undefined) return known;
  const plan = makePlan(compiled, facts, memory);
  if (memory.plans.size >= keptMax) memory.plans.clear();
  memory.plans.set(key, plan);
  return plan;
}

function remember(program: CompiledProgram): Kept {
  const { rules } = program.tables.response;
  const asked = rules.flatMap((rule) => rule.leaves.filter((leaf) => findingsOf(leaf, rule.rule.id) === undefined));
  const constant = rules.every(
    (rule) => rule.effect !== 'deny' || rule.reason.facts.every((fact) => railOf(fact) !== undefined),
  );
  const memory: Kept = { asked, constant, plans: new Map(), lists: new Map() };
  kept.set(program, memory);
  return memory;
}

function makePlan(program: CompiledProgram, facts: FactTree, memory: Kept): ResponsePlan {
  const planner = new Planner();
  for (const rule of program.tables.response.rules) {
    if (rule.shadow === undefined && rule.policy.metadata.priority < planner.floor) continue;
    planner.add(rule, remains(rule, facts), facts);
  }
  const entries = [...planner.entries.values()].sort(
    (a, b) => effectRank[a.verdict.effect] - effectRank[b.verdict.effect],
  );
  const patterns = interned(
    memory,
    entries.map((entry) => entry.pattern),
  );
  const verdicts = Object.freeze(entries.map((entry) => Object.freeze(entry.verdict)));
  return Object.freeze({ mode: planner.mode, patterns, verdicts, bufferBytesMax: program.bufferBytesMax });
}

/** What is left of a condition: an outcome, or comparisons of the reply. `simple`: any one of those makes it true. */
type Rest = Outcome | { readonly simple: boolean };

function remains(rule: CompiledRule, facts: FactTree): Rest {
  return rule.node === undefined ? TRUE : partial(rule.node, facts, rule.rule.id);
}

function partial(node: Node, facts: FactTree, id: string): Rest {
  if (!isBranch(node)) {
    const findings = findingsOf(node, id);
    return findings === undefined ? node.test(facts) : { simple: typeof findings !== 'string' };
  }
  const [first = UNABLE, ...others] = node.children.map((child) => partial(child, facts, id));
  if (node.operator === 'not')
    return typeof first === 'object' ? { simple: false } : first === UNABLE ? UNABLE : first === TRUE ? FALSE : TRUE;
  const rests = [first, ...others];
  const decisive = node.operator === 'and' ? FALSE : TRUE;
  if (rests.includes(decisive)) return decisive;
  const open = rests.filter((rest) => typeof rest === 'object');
  const undecided = rests.includes(UNABLE);
  if (open.length === 0) return undecided ? UNABLE : node.operator === 'and' ? TRUE : FALSE;
  return { simple: !undecided && open.every((rest) => rest.simple) && (node.operator === 'or' || open.length === 1) };
}

/** Collects what rules, in order of precedence, ask of a reply. */
class Planner {
  mode: ResponsePlan['mode'] = 'none';
  readonly entries = new Map<string, { readonly pattern: PatternRef; readonly verdict: Verdict }>();
  /** Rules below a standing final allow are not considered. */
  floor = Number.NEGATIVE_INFINITY;
  /** Below a final allow that only the whole reply decides, nothing is acted on before its end. */
  pending = Number.NEGATIVE_INFINITY;

  add(rule: CompiledRule, rest: Rest, facts: FactTree): void {
    if (rest === FALSE) return;
    const open = typeof rest === 'object';
    const redacts = rule.obligations.some((obligation) => obligation.type === 'redact');
    if (rule.shadow !== undefined) this.watch(rule, open);
    else if (rest === UNABLE) this.need(rule.onError === 'deny' ? 'buffer' : 'none');
    else if (rule.final) this.finalAllow(rule, open);
    else if (rule.effect !== 'deny' && !redacts) this.watch(rule, open);
    else if (this.onlyAtEnd(rule, rest, redacts)) this.atEnd(rule, open);
    else if (rule.effect === 'deny') this.deny(rule, facts);
    else {
      this.redact(rule);
      // The condition may be true by a finding that is not redacted: decide must hear of it.
      this.watch(rule, open);
    }
  }

  finalAllow(rule: CompiledRule, open: boolean): void {
    const { priority } = rule.policy.metadata;
    if (open) {
      this.pending = Math.max(this.pending, priority);
      this.atEnd(rule, open);
    } else this.floor = priority;
  }

  /** Whether a rule's outcome is open until the reply is over: what it says earlier may turn out otherwise. */
  onlyAtEnd(rule: CompiledRule, rest: Rest, redacts: boolean): boolean {
    if (rule.policy.metadata.priority < this.pending) return true;
    if (typeof rest !== 'object') return !redacts;
    return !rest.simple || (redacts && rule.mode === 'buffer');
  }

  atEnd(rule: CompiledRule, open: boolean): void {
    this.need('buffer');
    this.watch(rule, open);
    this.note(
      rule,
      rule.obligations.flatMap((obligation) => (obligation.type === 'redact' ? patternsOf(obligation) : [])),
    );
  }

  deny(rule: CompiledRule, facts: FactTree): void {
    this.need(rule.mode);
    const code = rule.code ?? (rule.readsRail ? 'content_blocked' : 'policy_denied');
    for (const pattern of openPatterns(rule, facts)) {
      const reason = rule.reason.render(withFinding(facts, pattern));
      const status = rule.status === undefined ? {} : { status: rule.status };
      this.put(pattern, { effect: 'deny', rule: rule.ref, ...status, code, reason });
    }
  }

  redact(rule: CompiledRule): void {
    this.need(rule.mode);
    for (const obligation of rule.obligations) {
      if (obligation.type !== 'redact') continue;
      for (const pattern of patternsOf(obligation))
        this.put(pattern, { effect: 'redact', with: obligation.with, rule: rule.ref });
    }
  }

  /** Searches for what a rule reads, so that the facts of the reply can be told at its end. */
  watch(rule: CompiledRule, open: boolean): void {
    if (!open) return;
    const patterns = rule.leaves.flatMap((leaf): readonly PatternRef[] => {
      const findings = findingsOf(leaf, rule.rule.id);
      if (typeof findings === 'object') return findings;
      return findings === undefined ? [] : factsRead(leaf).flatMap((fact) => wholeRail(fact.name));
    });
    this.note(rule, patterns);
  }

  note(rule: CompiledRule, patterns: readonly PatternRef[]): void {
    if (patterns.length > 0) this.need('observe');
    for (const pattern of patterns) this.put(pattern, { effect: 'note', rule: rule.ref, decision: rule.effect });
  }

  need(mode: ResponsePlan['mode']): void {
    if (strictness[mode] > strictness[this.mode]) this.mode = mode;
  }

  put(pattern: PatternRef, verdict: Verdict): void {
    const key = patternKey(pattern);
    const standing = this.entries.get(key);
    if (standing === undefined || effectRank[verdict.effect] < effectRank[standing.verdict.effect])
      this.entries.set(key, { pattern, verdict });
  }
}

// Patterns of the comparisons that still count: those beside a branch the request has already decided do not.
function openPatterns(rule: CompiledRule, facts: FactTree): readonly PatternRef[] {
  const walk = (node: Node): readonly PatternRef[] => {
    if (typeof partial(node, facts, rule.rule.id) !== 'object') return [];
    if (isBranch(node)) return node.children.flatMap(walk);
    const findings = findingsOf(node, rule.rule.id);
    return typeof findings === 'object' ? findings : [];
  };
  return rule.node === undefined ? [] : walk(rule.node);
}

// `count`, `score` and negations of a rail need the rail searched for, whatever its types.
function wholeRail(fact: string): readonly PatternRef[] {
  const [group, rail] = fact.split('.');
  return group === 'rails' && rail !== undefined && railStreams(rail) ? [{ kind: 'rail', rail }] : [];
}

// The facts as they are when a pattern has just been found, for the reason of a deny.
function withFinding(facts: FactTree, pattern: PatternRef): FactTree {
  if (pattern.kind !== 'rail') return facts;
  const found = { found: true, types: [pattern.type ?? pattern.rail], count: 1, score: 1 };
  return { ...facts, rails: { [pattern.rail]: found } };
}

function interned({ lists }: Kept, patterns: readonly PatternRef[]): readonly PatternRef[] {
  const key = patterns
    .map((pattern) => `${patternKey(pattern)}${pattern.kind === 'rail' ? '' : ` ${pattern.id}`}`)
    .join('\n');
  const list = lists.get(key);
  if (list !== undefined) return list;
  if (lists.size >= keptMax) lists.clear();
  const fresh = Object.freeze([...patterns]);
  lists.set(key, fresh);
  return fresh;
}
