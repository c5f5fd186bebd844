import type { CompiledRule } from './compiled-rule.ts';
import type { FactType } from './facts.ts';
import type { Read } from './leaf.ts';
import type { FactTree } from './unable.ts';

/** One bit for each rule of a group, in its order. */
type Bits = Uint32Array;

interface FieldMasks {
  readonly read: Read;
  readonly type: FactType;
  /** Rules that a value does not rule out: those that want it, and those that do not ask. */
  readonly byValue: ReadonlyMap<unknown, Bits>;
  /** Rules that do not ask. */
  readonly open: Bits;
}

/** Which of many rules that share an equality their other equalities leave: an `and` of bits for each field. */
export interface Masks {
  readonly words: number;
  readonly fields: readonly FieldMasks[];
}

/** Fewer rules than this are sooner tested than told apart. */
const crowd_min = 32;
/** Fields and values of a group that are told apart. */
const fields_max = 8;
const values_max = 1024;

/** Masks over a group of rules found by their equality of `found`; undefined where they would not help. */
export function masksOf(rules: readonly CompiledRule[], found: string): Masks | undefined {
  if (rules.length < crowd_min) return undefined;
  const words = Math.ceil(rules.length / 32);
  const askers = new Map<string, number>();
  for (const rule of rules) {
    for (const name of new Set(rule.keys.map(({ leaf }) => leaf.fact.name)))
      if (name !== found) askers.set(name, (askers.get(name) ?? 0) + 1);
  }
  const names = [...askers]
    .filter(([, count]) => count * 4 >= rules.length)
    .sort(([, a], [, b]) => b - a)
    .slice(0, fields_max);
  const fields = names.flatMap(([name]) => fieldMasks(rules, name, words) ?? []);
  return fields.length === 0 ? undefined : { words, fields };
}

function fieldMasks(rules: readonly CompiledRule[], name: string, words: number): FieldMasks | undefined {
  const open = new Uint32Array(words);
  const wanted = new Map<unknown, Bits>();
  let field: Pick<FieldMasks, 'read' | 'type'> | undefined;
  for (const [at, rule] of rules.entries()) {
    const key = rule.keys.find(({ leaf }) => leaf.fact.name === name);
    if (key === undefined) {
      mark(open, at);
      continue;
    }
    field ??= { read: key.leaf.read, type: key.leaf.fact.type };
    for (const value of key.values) {
      let bits = wanted.get(value);
      if (bits === undefined) {
        if (wanted.size >= values_max) return undefined;
        bits = new Uint32Array(words);
        wanted.set(value, bits);
      }
      mark(bits, at);
    }
  }
  if (field === undefined) return undefined;
  for (const bits of wanted.values()) for (let w = 0; w < words; w++) bits[w] = (bits[w] ?? 0) | (open[w] ?? 0);
  return { ...field, byValue: wanted, open };
}

function mark(bits: Bits, at: number): void {
  const word = at >>> 5;
  bits[word] = (bits[word] ?? 0) | (1 << (at & 31));
}

let scratch = new Uint32Array(64);

/**
 * The bits of the rules that are left for these facts, good until the next call. A fact that could not be computed or is
 * of the wrong type rules nothing out.
 */
export function remaining({ words, fields }: Masks, count: number, facts: FactTree): Uint32Array {
  if (scratch.length < words) scratch = new Uint32Array(words);
  const bits = scratch;
  bits.fill(0xffffffff, 0, words);
  if ((count & 31) !== 0) bits[words - 1] = (1 << (count & 31)) - 1;
  for (let f = 0; f < fields.length; f++) {
    const mask = maskFor(fields[f] as FieldMasks, facts);
    if (mask === undefined) continue;
    for (let w = 0; w < words; w++) bits[w] = (bits[w] as number) & (mask[w] as number);
  }
  return bits;
}

function maskFor({ read, type, byValue, open }: FieldMasks, facts: FactTree): Bits | undefined {
  const value = read(facts);
  if (value === undefined || value === null) return open;
  if (type === 'any') return typeof value === 'object' ? undefined : (byValue.get(value) ?? open);
  return typeof value === type && !Number.isNaN(value) ? (byValue.get(value) ?? open) : undefined;
}
