import type { JsonPath } from '../../exchange/index.ts';
import {
  closeArray,
  closeObject,
  comma,
  endOfString,
  openArray,
  openObject,
  quote,
  skipSpace,
  skipValue,
} from './skip.ts';

/** Where a value stands: bytes [start, end). */
export interface ByteSpan {
  readonly start: number;
  readonly end: number;
}

/** A member of an object, or an element of an array (there `key` is the index and `keyStart` the value's start). */
export interface Member extends ByteSpan {
  readonly key: string;
  readonly keyStart: number;
  readonly keyEnd: number;
}

/** A container whose members somebody asked for. */
export interface Shape extends ByteSpan {
  readonly array: boolean;
  readonly members: readonly Member[];
}

/** What is looked for: a tree of keys. The scan fills in `span` and, where wanted, `shape`. */
export class Wanted {
  readonly children = new Map<string, Wanted>();
  span: ByteSpan | undefined;
  shape: Shape | undefined;
  wantShape = false;

  /** The node at a path below this one, made where it is missing. */
  at(path: JsonPath): Wanted {
    let node: Wanted = this;
    for (const step of path) {
      const key = String(step);
      let child = node.children.get(key);
      if (child === undefined) {
        child = new Wanted();
        node.children.set(key, child);
      }
      node = child;
    }
    return node;
  }
}

/** Fills a tree from a document already known to be unambiguous JSON. One pass; what nobody asks for is skipped. */
export function scan(bytes: Buffer, root: Wanted): void {
  visit(bytes, skipSpace(bytes, 0), root);
}

/** Byte spans of the values at these paths; undefined where a path leads nowhere. */
export function findSpans(bytes: Buffer, paths: readonly JsonPath[]): readonly (ByteSpan | undefined)[] {
  const root = new Wanted();
  const nodes = paths.map((path) => root.at(path));
  scan(bytes, root);
  return nodes.map((node) => node.span);
}

function visit(bytes: Buffer, at: number, node: Wanted): number {
  const first = bytes[at];
  const container = first === openObject || first === openArray;
  const end =
    container && (node.wantShape || node.children.size > 0)
      ? members(bytes, at, node, first === openArray)
      : skipValue(bytes, at);
  node.span = { start: at, end };
  return end;
}

function members(bytes: Buffer, at: number, node: Wanted, array: boolean): number {
  const found: Member[] = [];
  const close = array ? closeArray : closeObject;
  let i = skipSpace(bytes, at + 1);
  for (let index = 0; bytes[i] !== close; index += 1) {
    const keyStart = i;
    let keyEnd = i;
    let key = String(index);
    if (!array) {
      keyEnd = endOfString(bytes, i);
      key = keyAt(bytes, keyStart, keyEnd);
      i = skipSpace(bytes, skipSpace(bytes, keyEnd) + 1);
    }
    const child = node.children.get(key);
    const end = child === undefined ? skipValue(bytes, i) : visit(bytes, i, child);
    if (node.wantShape) found.push({ key, keyStart, keyEnd, start: i, end });
    i = skipSpace(bytes, end);
    if (bytes[i] === comma) i = skipSpace(bytes, i + 1);
    else if (bytes[i] !== close) throw new RangeError('JSON lacks a comma');
  }
  if (node.wantShape) node.shape = { start: at, end: i + 1, array, members: found };
  return i + 1;
}

function keyAt(bytes: Buffer, start: number, end: number): string {
  if (bytes[start] !== quote) throw new RangeError('JSON lacks a key');
  const plain = bytes.toString('utf8', start + 1, end - 1);
  return plain.includes('\\') ? String(JSON.parse(`"${plain}"`)) : plain;
}
