import { decide } from './decide.ts';
import type { Decision } from './decision.ts';
import { type Outcome, reader, TRUE, UNABLE } from './leaf.ts';
import { type ExpressionNode, isBranch, isExpression, type Node } from './node.ts';
import type { Effect, Json, Phase } from './policy.ts';
import { inside, type Program } from './program.ts';
import { type FactTree, Unable } from './unable.ts';

/** How a comparison came out. `missing` means the fact was not there; `holds` tells what that amounts to. */
export type LeafOutcome = 'true' | 'false' | 'missing' | 'unable';

export type ExplainedNode =
  | {
      readonly operator: string;
      readonly field: string;
      /** What the fact was compared with. */
      readonly value?: Json;
      /** What the fact was; texts of prompts and replies only by their length. */
      readonly actual?: unknown;
      readonly outcome: LeafOutcome;
      readonly holds: boolean;
      /** Why the fact is unable. */
      readonly why?: string;
    }
  | {
      readonly operator: 'cel';
      readonly expression: string;
      /** What it read and what that was; what was missing is left out, texts of prompts and replies told by length. */
      readonly facts: { readonly [name: string]: unknown };
      readonly outcome: 'true' | 'false' | 'unable';
      readonly holds: boolean;
      readonly why?: string;
    }
  | {
      readonly operator: 'and' | 'or' | 'not';
      readonly outcome: 'true' | 'false' | 'unable';
      readonly conditions: readonly ExplainedNode[];
    };

export interface ExplainedRule {
  readonly rule: string;
  readonly effect: Effect;
  readonly enforced: boolean;
  readonly outcome: 'true' | 'false' | 'unable';
  /** Absent where the rule has no condition and so always matches. */
  readonly condition?: ExplainedNode;
}

export interface Explanation {
  readonly decision: Decision;
  readonly rules: readonly ExplainedRule[];
  /** The same for people. */
  readonly text: string;
}

/** Decides, and tells of every rule of the phase which comparison was true, false, missing or unable, with the values. */
export function explain(program: Program, phase: Phase, facts: FactTree): Explanation {
  const decision = decide(program, phase, facts);
  const rules = inside(program).tables[phase].rules.map((rule): ExplainedRule => {
    const condition = rule.node === undefined ? undefined : explainNode(rule.node, facts);
    return {
      rule: rule.ref,
      effect: rule.effect,
      enforced: rule.shadow === undefined,
      outcome: rule.test === undefined ? 'true' : word(rule.test(facts)),
      ...(condition === undefined ? {} : { condition }),
    };
  });
  return { decision, rules, text: render(decision, rules) };
}

function word(outcome: Outcome): 'true' | 'false' | 'unable' {
  return outcome === UNABLE ? 'unable' : outcome === TRUE ? 'true' : 'false';
}

function explainNode(node: Node, facts: FactTree): ExplainedNode {
  const outcome = word(node.test(facts));
  if (isBranch(node))
    return { operator: node.operator, outcome, conditions: node.children.map((child) => explainNode(child, facts)) };
  if (isExpression(node)) return explainExpression(node, outcome, facts);
  const given = node.read(facts);
  const missing = given === undefined || given === null;
  return {
    operator: node.operator,
    field: node.fact.name,
    ...(node.value === undefined ? {} : { value: node.value }),
    ...(missing || given instanceof Unable ? {} : { actual: node.fact.text ? withheld(given) : given }),
    outcome: outcome === 'unable' ? 'unable' : missing ? 'missing' : outcome,
    holds: outcome === 'true',
    ...(given instanceof Unable ? { why: given.reason } : {}),
  };
}

function explainExpression(node: ExpressionNode, outcome: 'true' | 'false' | 'unable', facts: FactTree): ExplainedNode {
  const read = node.facts.flatMap((fact): (readonly [string, unknown])[] => {
    const given = reader(fact)(facts);
    if (given === undefined || given === null) return [];
    return [[fact.name, given instanceof Unable ? `unable: ${given.reason}` : fact.text ? withheld(given) : given]];
  });
  const value = node.evaluate(facts);
  return {
    operator: 'cel',
    expression: node.expression,
    facts: Object.fromEntries(read),
    outcome,
    holds: outcome === 'true',
    ...(value instanceof Unable ? { why: value.reason } : {}),
  };
}

function withheld(value: unknown): string {
  return typeof value === 'string' ? `(text of ${value.length} characters)` : '(texts)';
}

function render(decision: Decision, rules: readonly ExplainedRule[]): string {
  const lines = [`${decision.decision} (${decision.allowed ? 'allowed' : 'not allowed'}): ${decision.reason}`];
  for (const rule of rules) {
    lines.push(`${mark(rule.outcome)} ${rule.rule} -> ${rule.effect}${rule.enforced ? '' : ' (only watched)'}`);
    if (rule.condition === undefined) lines.push('    always');
    else renderNode(rule.condition, 1, lines);
  }
  return lines.join('\n');
}

function renderNode(node: ExplainedNode, depth: number, lines: string[]): void {
  const indent = '    '.repeat(depth);
  if ('conditions' in node) {
    lines.push(`${indent}${mark(node.outcome)} ${node.operator}`);
    for (const child of node.conditions) renderNode(child, depth + 1, lines);
    return;
  }
  if ('expression' in node) {
    const read = Object.entries(node.facts).map(([name, value]) => `${name} is ${short(value)}`);
    const why = node.why === undefined ? '' : `unable: ${node.why}; `;
    lines.push(
      `${indent}${mark(node.outcome)} ${node.expression} [${why}${read.join(', ') || 'nothing it reads is there'}]`,
    );
    return;
  }
  const wanted = node.value === undefined ? '' : ` ${short(node.value)}`;
  const was =
    node.outcome === 'missing'
      ? 'missing'
      : node.outcome === 'unable'
        ? `unable${node.why === undefined ? '' : `: ${node.why}`}`
        : `is ${short(node.actual)}`;
  lines.push(
    `${indent}${mark(node.outcome === 'unable' ? 'unable' : node.holds ? 'true' : 'false')} ${node.field} ${node.operator}${wanted} [${was}]`,
  );
}

function mark(outcome: 'true' | 'false' | 'unable'): string {
  return outcome === 'true' ? '+' : outcome === 'false' ? '-' : '?';
}

function short(value: unknown): string {
  const text = JSON.stringify(value) ?? 'nothing';
  return text.length > 120 ? `${text.slice(0, 120)}...` : text;
}
