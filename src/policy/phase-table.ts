import type { CompiledRule } from './compiled-rule.ts';
import type { Decision } from './decision.ts';
import { changeTally, type Needs, needsOf, type Tally } from './needs.ts';
import { changeIndex, emptyIndex, type RuleIndex } from './rule-index.ts';

/** One phase of a program: its rules in order of precedence, and how to find the ones that may match. */
export interface PhaseTable {
  readonly rules: readonly CompiledRule[];
  /** The same rules where the index finds them. A slot stays its rule's when others come and go; one left is empty. */
  readonly slots: readonly (CompiledRule | undefined)[];
  /** The position in `rules` of each slot's rule. */
  readonly ranks: Int32Array;
  /** The slot of each rule, by its position in `rules`. */
  readonly places: readonly number[];
  readonly index: RuleIndex;
  readonly tally: Tally;
  readonly needs: Needs;
  /** The decision where nothing matched. */
  readonly unmatched: Decision;
  /** Decisions made before, by the positions of the rules that matched; only of rules whose reasons name no fact. */
  readonly decided: Map<string, Decision>;
}

export function emptyTable(unmatched: Decision): PhaseTable {
  const tally: Tally = new Map();
  return {
    rules: [],
    slots: [],
    ranks: new Int32Array(0),
    places: [],
    index: emptyIndex,
    tally,
    needs: needsOf(tally),
    unmatched,
    decided: new Map(),
  };
}

/** Rules of one policy that leave a table, or join it before the position `at`. Positions are those of the table changed. */
export interface TableChange {
  readonly at: number;
  readonly removed: number;
  readonly added: readonly CompiledRule[];
}

/** A table with changes made to it, from the first position to the last. What did not change is shared. */
export function changeTable(table: PhaseTable, changes: readonly TableChange[]): PhaseTable {
  if (changes.every(({ removed, added }) => removed === 0 && added.length === 0)) return table;
  const slots = [...table.slots];
  const gone: number[] = [];
  const come: number[] = [];
  const rules: (readonly CompiledRule[])[] = [];
  const places: (readonly number[])[] = [];
  let from = 0;
  for (const { at, removed, added } of changes) {
    const slot = slots.length;
    const own = added.map((_, i) => slot + i);
    rules.push(table.rules.slice(from, at), added);
    places.push(table.places.slice(from, at), own);
    for (let i = at; i < at + removed; i++) gone.push(table.places[i] as number);
    come.push(...own);
    for (const rule of added) slots.push(rule);
    from = at + removed;
  }
  rules.push(table.rules.slice(from));
  places.push(table.places.slice(from));
  const order = joined(places);
  const ranks = new Int32Array(slots.length);
  for (let rank = 0; rank < order.length; rank++) ranks[order[rank] as number] = rank;
  const index = changeIndex(table.index, slots, gone, come);
  const lost = gone.map((slot) => slots[slot] as CompiledRule);
  for (const slot of gone) slots[slot] = undefined;
  const tally = changeTally(
    table.tally,
    lost,
    come.map((slot) => slots[slot] as CompiledRule),
  );
  const needs = sameKeys(tally, table.tally) ? table.needs : needsOf(tally);
  return {
    rules: joined(rules),
    slots,
    ranks,
    places: order,
    index,
    tally,
    needs,
    unmatched: table.unmatched,
    decided: new Map(),
  };
}

function sameKeys(a: Tally, b: Tally): boolean {
  if (a.size !== b.size) return false;
  for (const key of a.keys()) if (!b.has(key)) return false;
  return true;
}

/** Lists as one list. Ten thousand members in a few pieces: `flat` looks at each, this copies the pieces. */
export function joined<T>(pieces: readonly (readonly T[])[]): readonly T[] {
  const empty: readonly T[] = [];
  return empty.concat(...pieces);
}
