import type { LiteralNode } from './ast.ts';
import type { Cursor } from './cursor.ts';
import type { Token } from './lexer.ts';

/** A number, a text or bytes as a node. */
export function literal({ kind, at, end, value = 0n }: Token, cursor: Cursor, sign = 1n): LiteralNode {
  const placed = { kind: 'literal', at, end } as const;
  if (typeof value === 'bigint') {
    const signed = sign * value;
    const fits = kind === 'uint' ? signed <= 0xffff_ffff_ffff_ffffn : BigInt.asIntN(64, signed) === signed;
    if (!fits) throw cursor.fault('the number does not fit into 64 bits', { kind, at, end, text: '' });
    return { ...placed, type: kind === 'uint' ? 'uint' : 'int', value: signed };
  }
  if (typeof value === 'number') return { ...placed, type: 'double', value: sign < 0n ? -value : value };
  return { ...placed, type: typeof value === 'string' ? 'string' : 'bytes', value };
}
