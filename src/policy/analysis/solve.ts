import { type EndNode, type ExpressionNode, isBranch, isExpression, type Node } from '../node.ts';
import { withFact } from '../record-facts.ts';
import type { FactTree } from '../unable.ts';
import { leafWords, listWords } from '../words.ts';
import { choose, serves } from './field.ts';
import { guesses } from './guess.ts';
import { flipped, type Literal, opposed, type Want } from './literal.ts';

/** A condition (undefined: none, so always true) and how it has to come out. */
export interface Goal {
  readonly node: Node | undefined;
  readonly want: Want;
}

export type Answer =
  /** Facts on which every goal comes out as wanted: they were tried. */
  | { readonly kind: 'possible'; readonly facts: FactTree }
  /** There are none. Each reason is a set of comparisons that cannot be had together, in words. */
  | { readonly kind: 'impossible'; readonly reasons: readonly string[] }
  | { readonly kind: 'unknown'; readonly why: string };

/** Ways to choose between the sides of `or` that are looked at, and reasons that are told. */
export const solveLimits = { steps: 4_000, reasons: 5 } as const;

/**
 * Looks for facts on which all conditions come out as wanted. The conditions are taken apart into ways they can (one
 * side of each `or`), and for each way a value is chosen for every fact. Where that takes too many steps, or an
 * expression or a pattern hides what it asks, the answer is `unknown`, never a guess.
 */
export function solve(goals: readonly Goal[]): Answer {
  const search = new Search(goals);
  const facts = search.run();
  if (facts !== undefined) return { kind: 'possible', facts };
  return search.doubt === undefined
    ? { kind: 'impossible', reasons: [...search.reasons] }
    : { kind: 'unknown', why: search.doubt };
}

interface Chain {
  readonly goal: Goal;
  readonly rest: Chain | undefined;
}

/** What was asked of each fact, and of the expressions. */
interface Way {
  readonly byFact: ReadonlyMap<string, readonly Literal[]>;
  readonly expressions: readonly { readonly node: ExpressionNode; readonly want: Want }[];
}

class Search {
  readonly reasons = new Set<string>();
  doubt: string | undefined;
  readonly #goals: readonly Goal[];
  #steps = 0;

  constructor(goals: readonly Goal[]) {
    this.#goals = goals;
  }

  run(): FactTree | undefined {
    let chain: Chain | undefined;
    for (const goal of this.#goals) chain = { goal, rest: chain };
    return this.#follow(chain, undefined, { byFact: new Map(), expressions: [] });
  }

  /** `later` are choices that wait until everything certain was looked at. */
  #follow(chain: Chain | undefined, later: Chain | undefined, way: Way): FactTree | undefined {
    let [open, waiting, known] = [chain, later, way];
    while (open !== undefined) {
      const { goal, rest } = open;
      open = rest;
      const { node, want } = goal;
      if (node === undefined) {
        if (want === 'true' || want === 'not_false') continue;
        this.#note('a rule without a condition always matches');
        return undefined;
      }
      if (!isBranch(node)) {
        const next = this.#with(known, node, want);
        if (next === undefined) return undefined;
        known = next;
      } else if (node.operator === 'not') {
        open = { goal: { node: node.children[0], want: flipped[want] }, rest: open };
      } else if (needsAll(node.operator, want)) {
        for (const child of node.children) open = { goal: { node: child, want }, rest: open };
      } else waiting = { goal, rest: waiting };
    }
    if (waiting === undefined) return this.#settle(known);
    const { goal, rest } = waiting;
    const children = goal.node !== undefined && isBranch(goal.node) ? goal.node.children : [];
    for (const child of children) {
      if (++this.#steps > solveLimits.steps) {
        this.doubt ??= 'the conditions can be met in too many ways to look at';
        return undefined;
      }
      const facts = this.#follow({ goal: { node: child, want: goal.want }, rest: undefined }, rest, known);
      if (facts !== undefined) return facts;
    }
    return undefined;
  }

  /** The way with one more comparison; undefined where that cannot be had. */
  #with(way: Way, node: EndNode, want: Want): Way | undefined {
    if (isExpression(node)) {
      const against = way.expressions.some((other) => sameExpression(other.node, node) && opposed(other.want, want));
      if (!against) return { ...way, expressions: [...way.expressions, { node, want }] };
      this.#note(`${node.expression} would have to be true and not true`);
      return undefined;
    }
    const literals = [...(way.byFact.get(node.fact.name) ?? []), { leaf: node, want }];
    if (choose(node.fact, literals).kind === 'none') {
      this.#note(together(fewest(literals)));
      return undefined;
    }
    return { ...way, byFact: new Map(way.byFact).set(node.fact.name, literals) };
  }

  /** Facts for a way whose comparisons do not stand against each other. */
  #settle(way: Way): FactTree | undefined {
    let facts: FactTree = {};
    for (const [name, literals] of way.byFact) {
      const [first] = literals;
      const choice = first === undefined ? undefined : choose(first.leaf.fact, literals);
      if (choice?.kind === 'value') {
        if (choice.value !== undefined) facts = withFact(facts, name, choice.value);
      } else this.doubt ??= `whether ${together(literals)} was not analysed`;
    }
    for (const tried of guesses(
      facts,
      way.expressions.map(({ node }) => node),
      way.byFact,
    )) {
      if (this.#goals.every(({ node, want }) => node === undefined || serves(node.test(tried), want))) return tried;
    }
    const [hidden] = way.expressions;
    this.doubt ??= hidden === undefined ? 'no facts were found' : `${hidden.node.expression} was not analysed`;
    return undefined;
  }

  #note(reason: string): void {
    if (this.reasons.size < solveLimits.reasons) this.reasons.add(reason);
  }
}

// Parameters have other values in another policy.
function sameExpression(a: ExpressionNode, b: ExpressionNode): boolean {
  return a === b || (a.expression === b.expression && !/\bparams\b/.test(a.expression));
}

function needsAll(operator: 'and' | 'or', want: Want): boolean {
  return operator === 'and' ? want === 'true' || want === 'not_false' : want === 'false' || want === 'not_true';
}

/** The comparisons without those that are not needed for the clash. */
function fewest(literals: readonly Literal[]): readonly Literal[] {
  let kept = literals;
  for (const one of literals) {
    const without = kept.filter((other) => other !== one);
    const [first] = without;
    if (first !== undefined && choose(first.leaf.fact, without).kind === 'none') kept = without;
  }
  return kept;
}

function together(literals: readonly Literal[]): string {
  const words = literals.map(({ leaf, want }) => leafWords(leaf, want === 'true' || want === 'not_false'));
  return listWords([...new Set(words)]);
}
