import { factsRead, isBranch, leavesOf, type Node } from './node.ts';
import { findingsOf, type PatternRef, patternKey, patternsOf } from './pattern.ts';
import type { Action, Json, Rule, StreamMode } from './policy.ts';
import { railOf } from './rails.ts';
import { nodeOf, paramsOf } from './rule-node.ts';
import { type Params, withParams } from './template.ts';

/** What a condition comes down to once the request's facts are known, whatever they are. */
export type Shape =
  /** Decided by the request alone. */
  | { readonly kind: 'constant' }
  /** Decided by the request, or true as soon as one of these is found. */
  | { readonly kind: 'findings'; readonly patterns: readonly PatternRef[] }
  /** Needs the whole reply; `why` names the comparison. */
  | { readonly kind: 'whole'; readonly why: string };

export function shapeOf(node: Node, id: string): Shape {
  if (!isBranch(node)) {
    const findings = findingsOf(node, id);
    if (findings === undefined) return { kind: 'constant' };
    return typeof findings === 'string' ? { kind: 'whole', why: findings } : { kind: 'findings', patterns: findings };
  }
  const shapes = node.children.map((child) => shapeOf(child, id));
  const whole = shapes.find((shape) => shape.kind === 'whole');
  if (whole !== undefined) return whole;
  const open = shapes.flatMap((shape) => (shape.kind === 'findings' ? [shape.patterns] : []));
  if (open.length === 0) return { kind: 'constant' };
  if (node.operator === 'not') return { kind: 'whole', why: 'not asks for the absence of a finding' };
  if (node.operator === 'and' && open.length > 1)
    return { kind: 'whole', why: 'and asks for several findings at once' };
  return { kind: 'findings', patterns: open.flat() };
}

/** How a rule meets a stream where it does not say: what keeps something from leaving holds back, the rest looks on. */
export function modeOf(rule: Rule): StreamMode {
  const { decision } = rule.action;
  return rule.stream ?? (decision === 'deny' || rule.action.redact !== undefined ? 'hold_back' : 'observe');
}

/** Why a response rule cannot be kept in its mode; undefined where it can. */
export function streamFault(rule: Rule, shared: Params): string | undefined {
  const params = paramsOf(rule, shared);
  const { action } = rule;
  const mode = modeOf(rule);
  if (mode === 'buffer' || action.decision === 'dryrun') return undefined;
  if (mode === 'observe' && action.redact !== undefined)
    return 'redact cannot be kept with stream: observe, which releases before it looks; use hold_back';
  const node = nodeOf(rule, shared);
  const shape = node === undefined ? ({ kind: 'constant' } as const) : shapeOf(node, rule.id);
  if (action.final === true && shape.kind !== 'constant') {
    return 'a final allow on findings can only be told at the end of the reply; use stream: buffer';
  }
  if (shape.kind === 'whole' && (mode === 'hold_back' || action.decision === 'deny')) {
    return `cannot be kept with stream: ${mode}, because ${shape.why}; use stream: buffer`;
  }
  return shape.kind === 'findings' ? redactFault(action, shape.patterns, params) : undefined;
}

// What was released cannot be redacted: everything a rule redacts must by itself make its condition true.
function redactFault(action: Action, patterns: readonly PatternRef[], params: Params): string | undefined {
  if (action.redact === undefined) return undefined;
  const keys = new Set(patterns.map(patternKey));
  for (const target of redactTargets(action, params)) {
    const covered =
      keys.has(patternKey(target)) ||
      (target.kind === 'rail' && keys.has(patternKey({ kind: 'rail', rail: target.rail })));
    if (!covered) {
      const name = patternKey(target).replace(/^\w+:/, '');
      return `redacts ${name}, which may be released before the condition is true; make ${name} part of the condition, or use stream: buffer`;
    }
  }
  return undefined;
}

function redactTargets(action: Action, params: Params): readonly PatternRef[] {
  const filled = (list: readonly string[] | undefined) =>
    (list ?? []).map((item: Json) => String(withParams(item, params)));
  const { rails, patterns, literals } = action.redact ?? {};
  return patternsOf({ rails: filled(rails), patterns: filled(patterns), literals: filled(literals), rule: '' });
}

/** Whether a condition reads a finding of a rail anywhere. */
export function readsRail(node: Node): boolean {
  return leavesOf(node).some((leaf) => factsRead(leaf).some((fact) => railOf(fact.name) !== undefined));
}
