import type { CelNode } from './ast.ts';
import { Cursor, expressionLimits } from './cursor.ts';
import { SyntaxFault } from './fault.ts';
import { type Token, tokensOf } from './lexer.ts';
import { literal } from './literal-node.ts';
import { expandMacro } from './macros.ts';

const reserved = new Set(
  'as break const continue else for function if import let loop package namespace return var void while'.split(' '),
);
const relations: Readonly<Record<string, string>> = {
  '==': '_==_',
  '!=': '_!=_',
  '<': '_<_',
  '<=': '_<=_',
  '>': '_>_',
  '>=': '_>=_',
  in: '@in',
};
const levels: readonly Readonly<Record<string, string>>[] = [
  relations,
  { '+': '_+_', '-': '_-_' },
  { '*': '_*_', '/': '_/_', '%': '_%_' },
];

export interface ParseOptions {
  /** `${params.name}` may stand for a value. */
  readonly parameters?: boolean;
  readonly characters?: number;
}

/**
 * Reads an expression. Takes time and memory in proportion to the text, whatever it is.
 * @throws SyntaxFault
 */
export function parseExpression(text: string, options: ParseOptions = {}): CelNode {
  const most = options.characters ?? expressionLimits.characters;
  if (text.length > most) throw new SyntaxFault(most, most + 1, `an expression may have ${most} characters`);
  return new Parser(tokensOf(text, options.parameters === true)).whole();
}

class Parser extends Cursor {
  whole(): CelNode {
    if (this.next().kind === 'end') throw this.fault('the expression is empty');
    const node = this.expression();
    if (this.next().kind !== 'end') throw this.fault(this.unexpected());
    return node;
  }

  expression(): CelNode {
    return this.nested(() => {
      const condition = this.logic('||');
      if (!this.take('?')) return condition;
      const yes = this.logic('||');
      this.expect(':', 'a conditional needs two answers');
      const no = this.expression();
      return this.made({ kind: 'conditional', at: condition.at, end: no.end, condition, yes, no });
    });
  }

  logic(operator: '||' | '&&'): CelNode {
    const first = operator === '||' ? this.logic('&&') : this.binary(0);
    if (!this.is(operator)) return first;
    const operands = [first];
    while (this.take(operator)) operands.push(operator === '||' ? this.logic('&&') : this.binary(0));
    return this.made({ kind: 'logic', at: first.at, end: operands.at(-1)?.end ?? first.end, operator, operands });
  }

  binary(level: number): CelNode {
    const signs = levels[level];
    if (signs === undefined) return this.unary();
    let left = this.binary(level + 1);
    for (;;) {
      const { kind, text, at } = this.next();
      const name =
        (kind === 'sign' || text === 'in') && kind !== 'string' && Object.hasOwn(signs, text) ? signs[text] : undefined;
      if (name === undefined) return left;
      this.position++;
      const right = this.binary(level + 1);
      left = this.made({
        kind: 'call',
        at: left.at,
        end: right.end,
        name,
        target: undefined,
        args: [left, right],
        nameAt: at,
      });
    }
  }

  unary(): CelNode {
    const { at } = this.next();
    const sign = this.is('!') ? '!' : this.is('-') && !this.literalFollows() ? '-' : undefined;
    if (sign === undefined) return this.member();
    let count = 0;
    while (this.is(sign) && !(sign === '-' && this.literalFollows())) {
      this.position++;
      count++;
    }
    const operand = this.is('!') || this.is('-') ? this.nested(() => this.unary()) : this.member();
    // Two of them take each other back, but what stands there must still be of the right type.
    let node = operand;
    for (let i = 0; i < (count % 2 === 1 ? 1 : 2); i++) {
      const name = sign === '!' ? '!_' : '-_';
      node = this.made({ kind: 'call', at, end: operand.end, name, target: undefined, args: [node], nameAt: at });
    }
    return node;
  }

  literalFollows(): boolean {
    return ['int', 'double'].includes(this.next(1).kind);
  }

  member(): CelNode {
    let node = this.primary();
    for (;;) {
      const start = this.next();
      if (this.take('.')) node = this.selection(node, start);
      else if (this.take('[')) {
        const optional = this.take('?');
        const index = this.expression();
        const { end } = this.expect(']', 'an index is closed');
        const name = optional ? '_[?_]' : '_[_]';
        node = this.made({
          kind: 'call',
          at: node.at,
          end,
          name,
          target: undefined,
          args: [node, index],
          nameAt: start.at,
        });
      } else return node;
    }
  }

  selection(operand: CelNode, dot: Token): CelNode {
    const optional = this.take('?');
    const field = this.next();
    if (field.kind !== 'name' && field.kind !== 'quoted')
      throw this.fault(`a field's name is missing: ${this.unexpected()}`);
    this.position++;
    if (field.kind === 'name' && !optional && this.is('(')) return this.call(field, operand);
    if (field.kind === 'name' && field.text === 'in') throw this.fault('in is no name of a field', field);
    return this.made({
      kind: 'select',
      at: operand.at,
      end: field.end,
      operand,
      field: field.text,
      optional,
      test: false,
      fieldAt: optional ? dot.at + 1 : field.at,
    });
  }

  call(name: Token, target: CelNode | undefined): CelNode {
    this.expect('(', 'a call has its arguments');
    const args: CelNode[] = [];
    while (!this.is(')')) {
      args.push(this.expression());
      if (!this.take(',')) break;
      if (this.is(')')) throw this.fault('an argument is missing');
    }
    const { end } = this.expect(')', 'a call is closed');
    const at = target?.at ?? name.at;
    const plain: CelNode = { kind: 'call', at, end, name: name.text, target, args, nameAt: name.at };
    return expandMacro(plain, (node) => this.made(node)) ?? this.made(plain);
  }

  primary(): CelNode {
    const token = this.next();
    const { kind, at, end, text } = token;
    switch (kind) {
      case 'int':
      case 'uint':
      case 'double':
      case 'string':
      case 'bytes':
        this.position++;
        return this.made(literal(token, this));
      case 'parameter': {
        this.position++;
        const operand = this.made({ kind: 'ident', at, end, name: 'params', absolute: true } as const);
        return this.made({ kind: 'select', at, end, operand, field: text, optional: false, test: false, fieldAt: at });
      }
      case 'name':
        return this.named(token, false);
      case 'quoted':
        throw this.fault('a name in backticks is a field, and stands after a dot');
      case 'end':
        throw this.fault('the expression ends where a value should stand');
      case 'sign':
        return this.bracketed(token);
    }
  }

  named(token: Token, absolute: boolean): CelNode {
    const { at, end, text } = token;
    this.position++;
    if (!absolute && (text === 'true' || text === 'false'))
      return this.made({ kind: 'literal', at, end, type: 'bool', value: text === 'true' });
    if (!absolute && text === 'null') return this.made({ kind: 'literal', at, end, type: 'null', value: null });
    if (text === 'in' || reserved.has(text)) throw this.fault(`${text} is a reserved word`, token);
    const type = this.messageType(text);
    if (type !== undefined) return this.message(type, at);
    if (this.is('(')) return this.call(token, undefined);
    return this.made({ kind: 'ident', at, end, name: text, absolute });
  }

  /** `a.b.Type` where `{` follows it: the name of a message. */
  messageType(first: string): string | undefined {
    let type = first;
    let ahead = 0;
    while (this.is('.', ahead) && this.next(ahead + 1).kind === 'name') {
      type += `.${this.next(ahead + 1).text}`;
      ahead += 2;
    }
    if (!this.is('{', ahead)) return undefined;
    this.position += ahead;
    return type;
  }

  message(type: string, at: number): CelNode {
    this.expect('{', 'a message has its fields');
    while (!this.is('}')) {
      this.take('?');
      if (!['name', 'quoted'].includes(this.next().kind))
        throw this.fault(`a field's name is missing: ${this.unexpected()}`);
      this.position++;
      this.expect(':', 'a field has a value');
      this.expression();
      if (!this.take(',')) break;
    }
    const { end } = this.expect('}', 'a message is closed');
    return this.made({ kind: 'message', at, end, type });
  }

  bracketed(token: Token): CelNode {
    const { at } = token;
    if (this.is('-')) {
      // A sign before digits belongs to the number: the smallest integer has no positive twin.
      this.position++;
      const number = this.next();
      this.position++;
      return this.made({ ...literal(number, this, -1n), at });
    }
    if (this.take('(')) {
      const inner = this.expression();
      this.expect(')', 'a bracket is closed');
      return inner;
    }
    if (this.take('.')) {
      if (this.next().kind !== 'name') throw this.fault(`a name is missing: ${this.unexpected()}`);
      return this.named(this.next(), true);
    }
    if (this.take('[')) return this.list(at);
    if (this.take('{')) return this.map(at);
    throw this.fault(`a value is missing: ${this.unexpected()}`);
  }

  list(at: number): CelNode {
    const items: { value: CelNode; optional: boolean }[] = [];
    while (!this.is(']')) {
      const optional = this.take('?');
      items.push({ value: this.expression(), optional });
      if (!this.take(',')) break;
    }
    const { end } = this.expect(']', 'a list is closed');
    return this.made({ kind: 'list', at, end, items });
  }

  map(at: number): CelNode {
    const entries: { key: CelNode; value: CelNode; optional: boolean }[] = [];
    while (!this.is('}')) {
      const optional = this.take('?');
      const key = this.expression();
      this.expect(':', 'a key has a value');
      entries.push({ key, value: this.expression(), optional });
      if (!this.take(',')) break;
    }
    const { end } = this.expect('}', 'a map is closed');
    return this.made({ kind: 'map', at, end, entries });
  }
}
