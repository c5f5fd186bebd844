import type { CelNode } from './ast.ts';
import { type Checked, check } from './check.ts';
import { compileExpression } from './compile.ts';
import { costLimits } from './cost.ts';
import type { Environment, Input, Variable } from './environment.ts';
import { type Fault, faultText, SyntaxFault } from './fault.ts';
import { type ParseOptions, parseExpression } from './parser.ts';
import { rewrite } from './rewrite.ts';
import type { Frame } from './run.ts';
import { type CelType, typeText } from './types.ts';

/** An expression that was read, checked and compiled. */
export interface Expression {
  readonly text: string;
  readonly node: CelNode;
  readonly checked: Checked;
  readonly type: CelType;
  /** Steps it takes at most, by estimate. */
  readonly cost: number;
  /** The names it reads, each once. */
  readonly variables: readonly Variable[];
  /**
   * Its value. Never throws: what could not be computed is an `Unable`, in policies what is missing is undefined.
   * Takes no more steps than the limit, whatever the input.
   */
  evaluate(input: Input): unknown;
}

/** An expression that cannot be loaded, with all that is wrong with it. */
export class ExpressionError extends Error {
  readonly faults: readonly Fault[];

  constructor(text: string, faults: readonly Fault[]) {
    super(faults.map((fault) => faultText(text, fault)).join('\n'));
    this.name = 'ExpressionError';
    this.faults = faults;
  }
}

export interface PrepareOptions extends ParseOptions {
  /** Only true or false will do. */
  readonly test?: boolean;
}

/**
 * Reads, checks and compiles an expression.
 * @throws ExpressionError
 */
export function prepare(text: string, environment: Environment, options: PrepareOptions = {}): Expression {
  const node = parsed(text, environment, options);
  const checked = check(node, environment);
  const faults: Fault[] = [...checked.faults];
  if (options.test === true && checked.type.kind !== 'bool' && checked.type.kind !== 'dyn')
    faults.push({
      at: node.at,
      end: node.end,
      message: `must be true or false, this is of type ${typeText(checked.type)}`,
    });
  if (faults.length > 0) throw new ExpressionError(text, faults);
  const part = compileExpression(node, checked, environment, faults);
  if (part.cost > costLimits.estimated && environment.dialect === 'policy')
    faults.push({
      at: node.at,
      end: node.end,
      message: `may take ${part.cost} steps, at most ${costLimits.estimated} are allowed`,
    });
  if (faults.length > 0) throw new ExpressionError(text, faults);
  const { run } = part;
  const { slotCount } = checked;
  const idle: Frame = { slots: [], left: 0 };
  const evaluate =
    slotCount === 0
      ? (input: Input) => run(input, idle)
      : (input: Input) => run(input, { slots: new Array(slotCount), left: costLimits.steps });
  return { text, node, checked, type: checked.type, cost: part.cost, variables: variablesOf(checked), evaluate };
}

function parsed(text: string, environment: Environment, options: ParseOptions): CelNode {
  try {
    const node = parseExpression(text, options);
    if (environment.expand === undefined) return node;
    return rewrite(node, (part) => (part.kind === 'call' ? environment.expand?.(part) : undefined));
  } catch (thrown) {
    if (thrown instanceof SyntaxFault) throw new ExpressionError(text, [thrown.fault]);
    throw thrown;
  }
}

function variablesOf({ references }: Checked): readonly Variable[] {
  const found = new Map<string, Variable>();
  for (const reference of references.values())
    if (reference.kind === 'variable') found.set(reference.variable.name, reference.variable);
  return [...found.values()];
}
