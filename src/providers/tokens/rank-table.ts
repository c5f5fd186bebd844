import { tokenBytesMax } from './encoding.ts';

/** The memory of a table: can be shared with a thread, so that it is built once and never on the event loop. */
export interface TableMemory {
  /** All tokens' bytes, one behind the other. */
  readonly bytes: Uint8Array;
  /** Where the token of a rank begins; one more entry than ranks. */
  readonly starts: Int32Array;
  /** Open addressing: rank + 1, or 0. A power of two long. */
  readonly slots: Int32Array;
}

/** Byte sequences to ranks. Lookups allocate nothing. */
export class RankTable {
  readonly memory: TableMemory;
  readonly #mask: number;

  constructor(memory: TableMemory) {
    this.memory = memory;
    this.#mask = memory.slots.length - 1;
  }

  /** The rank of the token that is these bytes; -1 where there is none. */
  rank(source: Uint8Array, start: number, end: number): number {
    const length = end - start;
    if (length > tokenBytesMax) return -1;
    const { bytes, starts, slots } = this.memory;
    let slot = hash(source, start, end) & this.#mask;
    for (;;) {
      const found = (slots[slot] ?? 0) - 1;
      if (found < 0) return -1;
      const from = starts[found] ?? 0;
      if ((starts[found + 1] ?? 0) - from === length) {
        let at = 0;
        while (at < length && bytes[from + at] === source[start + at]) at += 1;
        if (at === length) return found;
      }
      slot = (slot + 1) & this.#mask;
    }
  }
}

function hash(source: Uint8Array, start: number, end: number): number {
  let value = 0x811c9dc5;
  for (let at = start; at < end; at += 1) value = Math.imul(value ^ (source[at] ?? 0), 0x01000193);
  return value ^ (value >>> 15);
}

/**
 * A table from a published rank file: lines of `! first-rank token token ...`, tokens in base64. Ranks without a token
 * are left empty. Throws where a token is longer than any may be.
 */
export function buildTable(ranks: string): RankTable {
  const tokens: string[] = [];
  let size = 0;
  for (const line of ranks.split('\n')) {
    const [, first, ...encoded] = line.split(' ');
    if (first === undefined) continue;
    let rank = Number(first);
    for (const token of encoded) {
      tokens[rank] = token;
      size += bytesOf(token);
      rank += 1;
    }
  }
  const bytes = new Uint8Array(new SharedArrayBuffer(size));
  const starts = new Int32Array(new SharedArrayBuffer(4 * (tokens.length + 1)));
  const slots = new Int32Array(new SharedArrayBuffer(4 * 2 ** Math.ceil(Math.log2(tokens.length * 2))));
  const target = Buffer.from(bytes.buffer);
  let at = 0;
  for (let rank = 0; rank < tokens.length; rank += 1) {
    starts[rank] = at;
    const token = tokens[rank];
    if (token === undefined) continue;
    const end = at + target.write(token, at, 'base64');
    if (end - at > tokenBytesMax) throw new Error(`token ${rank} has ${end - at} bytes`);
    let slot = hash(bytes, at, end) & (slots.length - 1);
    while (slots[slot] !== 0) slot = (slot + 1) & (slots.length - 1);
    slots[slot] = rank + 1;
    at = end;
  }
  starts[tokens.length] = at;
  return new RankTable({ bytes, starts, slots });
}

function bytesOf(base64: string): number {
  const padding = base64.endsWith('==') ? 2 : base64.endsWith('=') ? 1 : 0;
  return (base64.length / 4) * 3 - padding;
}
