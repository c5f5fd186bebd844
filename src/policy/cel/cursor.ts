import { type CelNode, childrenOf } from './ast.ts';
import { SyntaxFault } from './fault.ts';
import type { Token } from './lexer.ts';

/** Bounds of an expression; one over them is refused. */
export const expressionLimits = {
  /** UTF-16 units. */
  characters: 100_000,
  /** Brackets, arguments and conditionals inside each other. */
  nesting: 200,
  /** Of the tree: a chain of `a + b + c` grows by one with each sign. */
  depth: 500,
  nodes: 20_000,
} as const;

/** A place among the tokens of an expression, and the bounds of what is read from them. */
export class Cursor {
  readonly tokens: readonly Token[];
  position = 0;
  nesting = 0;
  nodes = 0;
  readonly depths = new Map<CelNode, number>();

  constructor(tokens: readonly Token[]) {
    this.tokens = tokens;
  }

  /** Reads something that may hold itself. */
  nested<T>(read: () => T): T {
    if (++this.nesting > expressionLimits.nesting)
      throw this.fault(`the expression nests deeper than ${expressionLimits.nesting}`);
    const found = read();
    this.nesting--;
    return found;
  }

  next(ahead = 0): Token {
    return this.tokens[Math.min(this.position + ahead, this.tokens.length - 1)] as Token;
  }

  is(sign: string, ahead = 0): boolean {
    const { kind, text } = this.next(ahead);
    return text === sign && kind === 'sign';
  }

  take(sign: string): boolean {
    if (!this.is(sign)) return false;
    this.position++;
    return true;
  }

  expect(sign: string, why: string): Token {
    const token = this.next();
    if (!this.take(sign)) throw this.fault(`${why}: ${this.unexpected()}, not ${sign}`);
    return token;
  }

  unexpected(): string {
    const { kind, text } = this.next();
    return kind === 'end'
      ? 'the expression ends here'
      : `${text.length > 40 ? `${text.slice(0, 40)}...` : text} stands here`;
  }

  fault(message: string, token: Token = this.next()): SyntaxFault {
    return new SyntaxFault(token.at, Math.max(token.end, token.at + 1), message);
  }

  /** Every node passes here once: its depth and their number are bounded. */
  made<N extends CelNode>(node: N): N {
    let depth = 0;
    for (const child of childrenOf(node)) depth = Math.max(depth, this.depths.get(child) ?? 0);
    this.depths.set(node, depth + 1);
    if (depth >= expressionLimits.depth) throw this.tooMuch(node, `nests deeper than ${expressionLimits.depth}`);
    if (++this.nodes > expressionLimits.nodes)
      throw this.tooMuch(node, `has more than ${expressionLimits.nodes} parts`);
    return node;
  }

  tooMuch({ at }: CelNode, what: string): SyntaxFault {
    return new SyntaxFault(at, at + 1, `the expression ${what}`);
  }
}
