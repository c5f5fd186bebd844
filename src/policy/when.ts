import type { CelNode } from './cel/ast.ts';
import { childrenOf } from './cel/ast.ts';
import { compileExpression } from './cel/compile.ts';
import { costLimits } from './cel/cost.ts';
import { type Expression, ExpressionError, prepare } from './cel/expression.ts';
import type { Fault } from './cel/fault.ts';
import { type Fact, factOf } from './facts.ts';
import { factsEnvironment, isFactVariable } from './facts-environment.ts';
import { FALSE, TRUE, UNABLE } from './leaf.ts';
import { comparisonIn } from './lower.ts';
import { branch, type ExpressionNode, leafNode, type Node } from './node.ts';
import type { Phase } from './policy.ts';
import type { Reader } from './reader.ts';
import type { Path } from './source.ts';
import type { Params } from './template.ts';
import { Unable } from './unable.ts';

export const whenLimits = { characters: 10_000 } as const;

/**
 * Compiles a rule's `when`. Comparisons of a fact with a value become the same nodes that conditions have, so they are
 * indexed, explained and followed on streams alike; whatever else there is stays an expression.
 * @throws ExpressionError with the characters that are wrong.
 */
export function compileWhen(text: string, phase: Phase, params: Params): Node {
  const environment = factsEnvironment(phase, params);
  const expression = prepare(text, environment, { parameters: true, test: true, characters: whenLimits.characters });
  const faults = text.includes('${params.') ? placesInTexts(expression.node) : [];
  const nodeOf = (part: CelNode): Node => {
    if (part.kind === 'logic') return branch(part.operator === '&&' ? 'and' : 'or', part.operands.map(nodeOf));
    if (part.kind === 'call' && part.name === '!_' && part.args[0] !== undefined)
      return branch('not', [nodeOf(part.args[0])]);
    const found = comparisonIn(part, expression, params);
    if (found === undefined) return expressionNode(part, expression, environment);
    if (found.fault !== undefined) faults.push({ at: part.at, end: part.end, message: found.fault });
    return leafNode(found.operator, found.fact, found.value);
  };
  const node = nodeOf(expression.node);
  if (faults.length > 0) throw new ExpressionError(text, faults);
  return node;
}

/** Reads a rule's `when`; what is wrong with it is reported with the line and column of the character. */
export function readWhen(
  text: string | undefined,
  path: Path,
  reader: Reader,
  phase: Phase,
  params: Params,
): Node | undefined {
  if (text === undefined) return undefined;
  try {
    return compileWhen(text, phase, params);
  } catch (thrown) {
    if (!(thrown instanceof ExpressionError)) throw thrown;
    for (const { at, message, suggestion } of thrown.faults) reader.fault(path, message, suggestion, 'value', at);
    return undefined;
  }
}

// Inside quotes a parameter is only text, and that is hardly what was meant.
function placesInTexts(node: CelNode): Fault[] {
  if (node.kind === 'literal' && typeof node.value === 'string' && node.value.includes('${params.'))
    return [
      {
        at: node.at,
        end: node.end,
        message: 'in quotes a parameter is not filled in: write params.name outside of them',
      },
    ];
  return childrenOf(node).flatMap(placesInTexts);
}

function expressionNode(
  part: CelNode,
  whole: Expression,
  environment: ReturnType<typeof factsEnvironment>,
): ExpressionNode {
  const { run } = compileExpression(part, whole.checked, environment, []);
  const { slotCount } = whole.checked;
  const idle = { slots: [], left: 0 };
  const loops = slotCount > 0 && hasLoop(part);
  const evaluate = loops
    ? (facts: Parameters<typeof run>[0]) => run(facts, { slots: new Array(slotCount), left: costLimits.steps })
    : (facts: Parameters<typeof run>[0]) => run(facts, idle);
  return {
    operator: 'cel',
    expression: whole.text.slice(part.at, part.end),
    facts: factsOf(part, whole),
    evaluate,
    test: (facts) => {
      const value = evaluate(facts);
      return value === true ? TRUE : value instanceof Unable ? UNABLE : FALSE;
    },
  };
}

function hasLoop(node: CelNode): boolean {
  return node.kind === 'loop' || node.kind === 'bind' || childrenOf(node).some(hasLoop);
}

function factsOf(node: CelNode, { checked }: Expression): readonly Fact[] {
  const found = new Map<string, Fact>();
  const walk = (part: CelNode) => {
    const reference = checked.references.get(part);
    if (reference?.kind === 'variable' && isFactVariable(reference.variable)) {
      const fact = factOf(reference.variable.name) ?? reference.variable.fact;
      found.set(fact.name, fact);
    } else for (const child of childrenOf(part)) walk(child);
  };
  walk(node);
  return [...found.values()];
}
