import type { Fact } from './facts.ts';
import { compileLeaf, FALSE, type Outcome, type Read, reader, type Test, TRUE, UNABLE } from './leaf.ts';
import type { Json, LeafOperator } from './policy.ts';
import type { FactTree } from './unable.ts';

/** A compiled comparison: what `decide` calls, and what `explain` and the response plan look into. */
export interface LeafNode {
  readonly operator: LeafOperator;
  readonly fact: Fact;
  /** With parameters put in. */
  readonly value: Json | undefined;
  readonly read: Read;
  readonly test: Test;
}

export interface BranchNode {
  readonly operator: 'and' | 'or' | 'not';
  readonly children: readonly Node[];
  readonly test: Test;
}

/** A part of a CEL expression that is more than one comparison. */
export interface ExpressionNode {
  readonly operator: 'cel';
  /** As it was written. */
  readonly expression: string;
  /** What it reads. */
  readonly facts: readonly Fact[];
  /** Its value: undefined where it is missing, `Unable` where it could not be computed. */
  readonly evaluate: Read;
  readonly test: Test;
}

export type EndNode = LeafNode | ExpressionNode;
export type Node = EndNode | BranchNode;

export function isBranch(node: Node): node is BranchNode {
  return 'children' in node;
}

export function isExpression(node: Node): node is ExpressionNode {
  return node.operator === 'cel';
}

/** The facts a comparison or an expression reads. */
export function factsRead(node: EndNode): readonly Fact[] {
  return isExpression(node) ? node.facts : [node.fact];
}

export function leafNode(operator: LeafOperator, fact: Fact, value: Json | undefined): LeafNode {
  return { operator, fact, value, read: reader(fact), test: compileLeaf(operator, fact, value) };
}

/** `and`, `or`, `not` in Kleene's logic: one false leaf makes an `and` false, whatever the others could not tell. */
export function branch(operator: BranchNode['operator'], children: readonly Node[]): Node {
  const [first] = children;
  if (operator !== 'not' && children.length === 1 && first !== undefined) return first;
  const tests = children.map((child) => child.test);
  const test = operator === 'and' ? allOf(tests) : operator === 'or' ? anyOf(tests) : notOf(tests[0] ?? (() => UNABLE));
  return { operator, children, test };
}

function allOf(tests: readonly Test[]): Test {
  const [a, b, ...rest] = tests;
  if (a !== undefined && b !== undefined && rest.length === 0) {
    return (facts) => {
      const first = a(facts);
      if (first === FALSE) return FALSE;
      const second = b(facts);
      return second === FALSE ? FALSE : first === UNABLE || second === UNABLE ? UNABLE : TRUE;
    };
  }
  return (facts) => {
    let outcome: Outcome = TRUE;
    for (let i = 0; i < tests.length; i++) {
      const one = (tests[i] as Test)(facts);
      if (one === FALSE) return FALSE;
      if (one === UNABLE) outcome = UNABLE;
    }
    return outcome;
  };
}

function anyOf(tests: readonly Test[]): Test {
  return (facts) => {
    let outcome: Outcome = FALSE;
    for (let i = 0; i < tests.length; i++) {
      const one = (tests[i] as Test)(facts);
      if (one === TRUE) return TRUE;
      if (one === UNABLE) outcome = UNABLE;
    }
    return outcome;
  };
}

function notOf(test: Test): Test {
  return (facts) => {
    const outcome = test(facts);
    return outcome === UNABLE ? UNABLE : outcome === TRUE ? FALSE : TRUE;
  };
}

/** All comparisons and expressions of a condition, from left to right. */
export function leavesOf(node: Node): readonly EndNode[] {
  return isBranch(node) ? node.children.flatMap(leavesOf) : [node];
}

/** The comparisons an undecided outcome hinges on. */
export function undecidedLeaves(node: Node, facts: FactTree): readonly EndNode[] {
  if (node.test(facts) !== UNABLE) return [];
  return isBranch(node) ? node.children.flatMap((child) => undecidedLeaves(child, facts)) : [node];
}
