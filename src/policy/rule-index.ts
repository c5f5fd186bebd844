import type { CompiledRule } from './compiled-rule.ts';
import type { FactType } from './facts.ts';
import type { Read } from './leaf.ts';
import { isBranch, isExpression, type LeafNode, type Node } from './node.ts';
import { type Masks, masksOf } from './rule-masks.ts';
import { type FactTree, Unable } from './unable.ts';

/** Slots of rules, ascending. */
export type Slots = readonly number[];

/** An equality a rule cannot match without. */
export interface Key {
  readonly leaf: LeafNode;
  readonly values: readonly unknown[];
}

/** The rules under one value of a field; where there are many, what their other equalities are. */
export interface Bucket {
  readonly slots: Slots;
  readonly masks: Masks | undefined;
}

export interface FieldIndex {
  readonly name: string;
  readonly read: Read;
  readonly type: FactType;
  readonly byValue: ReadonlyMap<unknown, Bucket>;
  /** What became of some values since `byValue` was made; undefined where a value has no rules any more. */
  readonly changed: ReadonlyMap<unknown, Bucket | undefined> | undefined;
  /** All rules under this field: where its value cannot be told, none of them is ruled out. */
  readonly all: Bucket;
}

/**
 * Rules of one phase, found by equality. A rule that needs `team.tier` to be `free` is not looked at for another tier.
 * What is left out is false for certain; what is returned still has to be tested.
 */
export interface RuleIndex {
  /** Rules without an equality to go by: always candidates. */
  readonly always: Slots;
  readonly fields: readonly FieldIndex[];
}

export const emptyIndex: RuleIndex = { always: [], fields: [] };

type Rules = readonly (CompiledRule | undefined)[];

/**
 * An index with some rules taken out and some put in: it shares with the other whatever did not change, and the other
 * stays as it is. Each rule goes under the equality of its top-level `and` that the fewest rules share; rules that can
 * never match go nowhere. `rules` are by slot and hold those taken out too.
 */
export function changeIndex(index: RuleIndex, rules: Rules, removed: Slots, added: Slots): RuleIndex {
  const gone = new Set(removed);
  const fields = new Map(index.fields.map((field) => [field.name, new FieldEdit(field, gone)]));
  for (const slot of removed) {
    for (const { leaf, values } of rules[slot]?.keys ?? []) fields.get(leaf.fact.name)?.remove(values);
  }
  const fresh: number[] = [];
  const crowds = crowdsOf(rules, added, fields);
  for (const slot of added) {
    const rule = rules[slot];
    if (rule === undefined || !rule.live) continue;
    const [first, ...rest] = rule.keys;
    if (first === undefined) {
      fresh.push(slot);
      continue;
    }
    const best = rest.reduce((a, b) => (crowds(b) < crowds(a) ? b : a), first);
    const { fact, read } = best.leaf;
    let field = fields.get(fact.name);
    if (field === undefined) {
      field = new FieldEdit(
        { name: fact.name, read, type: fact.type, byValue: new Map(), changed: undefined, all: bucketless },
        gone,
      );
      fields.set(fact.name, field);
    }
    field.add(slot, best.values);
  }
  const always = [...(gone.size === 0 ? index.always : index.always.filter((slot) => !gone.has(slot))), ...fresh];
  const done = [...fields.values()].map((field) => field.done(rules));
  return { always, fields: done.filter(({ all }) => all.slots.length > 0) };
}

const bucketless: Bucket = { slots: [], masks: undefined };

/** How many rules share an equality: those that are there under it, and those that come. */
function crowdsOf(rules: Rules, added: Slots, fields: ReadonlyMap<string, FieldEdit>): (key: Key) => number {
  const shared = new Map<string, Map<unknown, number>>();
  for (const slot of added) {
    for (const { leaf, values } of rules[slot]?.keys ?? []) {
      let counts = shared.get(leaf.fact.name);
      if (counts === undefined) {
        counts = new Map();
        shared.set(leaf.fact.name, counts);
      }
      for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1);
    }
  }
  return ({ leaf, values }) => {
    const counts = shared.get(leaf.fact.name);
    const field = fields.get(leaf.fact.name);
    let sum = 0;
    for (const value of values) sum += (counts?.get(value) ?? 0) + (field?.size(value) ?? 0);
    return sum;
  };
}

/** Values laid over a field's index before it is made again. */
const changed_max = 32;

function laidOver(
  byValue: FieldIndex['byValue'],
  changed: ReadonlyMap<unknown, Bucket | undefined>,
): FieldIndex['byValue'] {
  const made = new Map(byValue);
  for (const [value, bucket] of changed) {
    if (bucket === undefined) made.delete(value);
    else made.set(value, bucket);
  }
  return made;
}

function bucketAt({ byValue, changed }: FieldIndex, value: unknown): Bucket | undefined {
  return changed?.has(value) === true ? changed.get(value) : byValue.get(value);
}

/** A field's index being changed. */
class FieldEdit {
  readonly #field: FieldIndex;
  readonly #gone: ReadonlySet<number>;
  readonly #touched = new Map<unknown, number[]>();
  #all: number[] | undefined;

  constructor(field: FieldIndex, gone: ReadonlySet<number>) {
    this.#field = field;
    this.#gone = gone;
  }

  size(value: unknown): number {
    return bucketAt(this.#field, value)?.slots.length ?? 0;
  }

  remove(values: readonly unknown[]): void {
    for (const value of values) this.#slots(value);
  }

  add(slot: number, values: readonly unknown[]): void {
    for (const value of values) this.#slots(value).push(slot);
    this.#all ??= this.#field.all.slots.filter((one) => !this.#gone.has(one));
    this.#all.push(slot);
  }

  done(rules: Rules): FieldIndex {
    if (this.#touched.size === 0) return this.#field;
    const { name, read, type } = this.#field;
    const bucket = (slots: readonly number[]): Bucket => ({
      slots,
      masks: masksOf(
        slots.map((slot) => rules[slot] as CompiledRule),
        name,
      ),
    });
    // Copying ten thousand entries for one of them takes longer than all the rest: changes are laid over until there are many.
    const changed = new Map(this.#field.changed);
    for (const [value, slots] of this.#touched) changed.set(value, slots.length === 0 ? undefined : bucket(slots));
    this.#all ??= this.#field.all.slots.filter((one) => !this.#gone.has(one));
    const all: Bucket = { slots: this.#all, masks: undefined };
    const { byValue } = this.#field;
    if (changed.size <= changed_max && byValue.size > changed_max) return { name, read, type, byValue, changed, all };
    return { name, read, type, byValue: laidOver(byValue, changed), changed: undefined, all };
  }

  #slots(value: unknown): number[] {
    let slots = this.#touched.get(value);
    if (slots === undefined) {
      slots = (bucketAt(this.#field, value)?.slots ?? []).filter((slot) => !this.#gone.has(slot));
      this.#touched.set(value, slots);
    }
    return slots;
  }
}

/** The equalities of a condition's top-level `and`. */
export function keysOf(node: Node): readonly Key[] {
  const leaves = isBranch(node) ? (node.operator === 'and' ? node.children : []) : [node];
  return leaves.flatMap((leaf): Key[] => {
    if (isBranch(leaf)) return leaf.operator === 'and' ? [...keysOf(leaf)] : [];
    if (isExpression(leaf)) return [];
    const scalar =
      leaf.fact.type === 'string' ||
      leaf.fact.type === 'number' ||
      leaf.fact.type === 'boolean' ||
      leaf.fact.type === 'any';
    if (!scalar) return [];
    if (leaf.operator === 'eq') return [{ leaf, values: [leaf.value] }];
    return leaf.operator === 'in' && Array.isArray(leaf.value) ? [{ leaf, values: [...new Set(leaf.value)] }] : [];
  });
}

/** The rules of one field that its value in these facts does not rule out. */
export function candidates(field: FieldIndex, facts: FactTree): Bucket | undefined {
  const value = field.read(facts);
  if (value === undefined || value === null) return undefined;
  if (field.type === 'any')
    return typeof value === 'object'
      ? value instanceof Unable || Array.isArray(value)
        ? field.all
        : undefined
      : bucketAt(field, value);
  // A number that is none is an error in every rule that compares it.
  return typeof value === field.type && !Number.isNaN(value) ? bucketAt(field, value) : field.all;
}
