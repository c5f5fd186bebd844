import type { JsonPath } from '../../exchange/index.ts';
import { quote } from './skip.ts';
import { type Member, type Shape, scan, Wanted } from './spans.ts';

/** A change of a document. Paths that lead nowhere change nothing, but for `set`, which makes them. */
export type JsonEdit =
  /** Puts JSON text in the place of a value, where there is one. */
  | { readonly op: 'replace'; readonly path: JsonPath; readonly json: string }
  /** A new text for a string value; where the value is no string, the text is JSON and replaces it as such. */
  | { readonly op: 'text'; readonly path: JsonPath; readonly text: string }
  /** Replaces a value or inserts it, with the objects on the way to it. */
  | { readonly op: 'set'; readonly path: JsonPath; readonly json: string }
  /** Puts a value before the first of a list, or a text before a text. Of anything else nothing is changed. */
  | { readonly op: 'prepend'; readonly path: JsonPath; readonly json: string }
  | { readonly op: 'remove'; readonly path: JsonPath }
  /** Another key for a member. Where the object has that key already, the member goes and the other stays. */
  | { readonly op: 'rename'; readonly path: JsonPath; readonly key: string };

/** Bytes [start, end) that make way for a text. */
export interface Patch {
  readonly start: number;
  readonly end: number;
  readonly text: string;
}

/** A value to be inserted: JSON text, or an object of more of the same. */
type Inserted = string | Map<string, Inserted>;

/**
 * The document with these edits, every other byte kept. The document must be unambiguous JSON. An edit inside a value
 * that another edit replaces or removes is void; of two that set one path the later wins. No edits: the very same bytes.
 */
export function splice(bytes: Buffer, edits: readonly JsonEdit[]): Buffer {
  return edits.length === 0 ? bytes : applyPatches(bytes, patchesFor(bytes, edits));
}

/** What `splice` would change, for a caller whose document stands inside other bytes. */
export function patchesFor(bytes: Buffer, edits: readonly JsonEdit[]): readonly Patch[] {
  const root = new Wanted();
  for (const edit of edits) want(root, edit);
  scan(bytes, root);
  return new Plan(bytes, root).patches(edits);
}

function want(root: Wanted, edit: JsonEdit): void {
  const node = root.at(edit.path);
  if (edit.op === 'prepend') {
    node.wantShape = true;
    return;
  }
  if (edit.op === 'replace' || edit.op === 'text') return;
  const from = edit.op === 'set' ? 0 : Math.max(0, edit.path.length - 1);
  for (let depth = from; depth < edit.path.length; depth += 1) root.at(edit.path.slice(0, depth)).wantShape = true;
}

class Plan {
  readonly #bytes: Buffer;
  readonly #root: Wanted;
  readonly #patches: Patch[] = [];
  readonly #replaced = new Map<Wanted, Inserted>();
  readonly #removed = new Map<Shape, Set<Member>>();
  readonly #inserted = new Map<Shape, Map<string, Inserted>>();

  constructor(bytes: Buffer, root: Wanted) {
    this.#bytes = bytes;
    this.#root = root;
  }

  patches(edits: readonly JsonEdit[]): readonly Patch[] {
    for (const edit of edits) this.#plan(edit);
    for (const [node, value] of this.#replaced) {
      if (node.span !== undefined) this.#patches.push({ ...node.span, text: render(value) });
    }
    for (const shape of new Set([...this.#removed.keys(), ...this.#inserted.keys()])) this.#reshape(shape);
    return this.#patches;
  }

  #plan(edit: JsonEdit): void {
    const node = this.#root.at(edit.path);
    switch (edit.op) {
      case 'replace':
        this.#replaced.set(node, edit.json);
        return;
      case 'text':
        this.#replaced.set(node, this.#textFor(node, edit.text));
        return;
      case 'set':
        this.#set(edit.path, edit.json);
        return;
      case 'prepend':
        this.#prepend(node, edit.json);
        return;
      case 'remove':
      case 'rename':
        this.#member(edit);
        return;
    }
  }

  #prepend({ span, shape }: Wanted, json: string): void {
    if (span === undefined) return;
    const at = span.start + 1;
    if (shape?.array === true)
      this.#patches.push({ start: at, end: at, text: shape.members.length === 0 ? json : `${json},` });
    else if (this.#bytes[span.start] === quote) this.#patches.push({ start: at, end: at, text: json.slice(1, -1) });
  }

  #textFor(node: Wanted, text: string): string {
    const isString = node.span === undefined || this.#bytes[node.span.start] === quote;
    return isString || !isJson(text) ? JSON.stringify(text) : text;
  }

  #set(path: JsonPath, json: string): void {
    let node = this.#root;
    for (const [depth, step] of path.entries()) {
      const child = node.at([step]);
      if (child.span === undefined) {
        const below = path.slice(depth + 1);
        // Not a container: what stands there makes way for an object.
        if (node.shape === undefined) this.#replaced.set(node, nest(this.#replaced.get(node), [step, ...below], json));
        else insert(this.#insertions(node.shape), [step, ...below], json);
        return;
      }
      node = child;
    }
    this.#replaced.set(node, json);
  }

  #member(edit: Extract<JsonEdit, { op: 'remove' | 'rename' }>): void {
    const shape = this.#root.at(edit.path.slice(0, -1)).shape;
    const member = shape?.members.find((one) => one.key === String(edit.path.at(-1)));
    if (shape === undefined || member === undefined) return;
    if (edit.op === 'rename' && !shape.members.some((one) => one.key === edit.key)) {
      this.#patches.push({ start: member.keyStart, end: member.keyEnd, text: JSON.stringify(edit.key) });
      return;
    }
    const removed = this.#removed.get(shape) ?? new Set();
    removed.add(member);
    this.#removed.set(shape, removed);
  }

  #insertions(shape: Shape): Map<string, Inserted> {
    const known = this.#inserted.get(shape);
    if (known !== undefined) return known;
    const fresh = new Map<string, Inserted>();
    this.#inserted.set(shape, fresh);
    return fresh;
  }

  /** Removed members go with the comma before them (the first ones with the comma after); new ones come last. */
  #reshape(shape: Shape): void {
    const removed = this.#removed.get(shape) ?? new Set<Member>();
    const { members } = shape;
    let kept = 0;
    for (const [index, member] of members.entries()) {
      if (!removed.has(member)) {
        kept += 1;
        continue;
      }
      const start = kept === 0 ? member.keyStart : (members[index - 1]?.end ?? member.keyStart);
      const end = kept === 0 ? (members[index + 1]?.keyStart ?? member.end) : member.end;
      this.#patches.push({ start, end, text: '' });
    }
    let text = '';
    for (const [key, value] of this.#inserted.get(shape) ?? []) {
      const comma = kept > 0 || text !== '' ? ',' : '';
      text += shape.array ? comma + render(value) : `${comma}${JSON.stringify(key)}:${render(value)}`;
    }
    if (text === '') return;
    const at = members.at(-1)?.end ?? shape.start + 1;
    this.#patches.push({ start: at, end: at, text });
  }
}

function insert(into: Map<string, Inserted>, path: JsonPath, json: string): void {
  const [first, ...rest] = path;
  if (first === undefined) return;
  into.set(String(first), nest(into.get(String(first)), rest, json));
}

function nest(known: Inserted | undefined, path: JsonPath, json: string): Inserted {
  if (path.length === 0) return json;
  if (typeof known === 'string') return known;
  const members = known instanceof Map ? known : new Map<string, Inserted>();
  insert(members, path, json);
  return members;
}

function render(value: Inserted): string {
  if (typeof value === 'string') return value;
  const members = [...value].map(([key, item]) => `${JSON.stringify(key)}:${render(item)}`);
  return `{${members.join(',')}}`;
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

/** The bytes with these patches; a patch inside another one is void. */
export function applyPatches(bytes: Buffer, patches: readonly Patch[]): Buffer {
  // At one place an insertion comes before what is taken out there; of equal starts the wider patch comes first.
  const sorted = patches.toSorted((a, b) => a.start - b.start || width(b) - width(a));
  const pieces: Buffer[] = [];
  let at = 0;
  for (const patch of sorted) {
    if (patch.start < at) continue;
    pieces.push(bytes.subarray(at, patch.start), Buffer.from(patch.text));
    at = patch.end;
  }
  pieces.push(bytes.subarray(at));
  return Buffer.concat(pieces);
}

function width(patch: Patch): number {
  return patch.end === patch.start ? Number.MAX_SAFE_INTEGER : patch.end - patch.start;
}
