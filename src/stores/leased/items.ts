import type { Amount } from '../ledger.ts';
import { Lines } from '../lines.ts';
import { slotting } from '../rate-key.ts';
import type { Books } from './books.ts';
import type { LocalHold, Slice } from './slices.ts';

/**
 * What the shared ledger is told, one JSON array a step, numbered for each organisation so that each is done once:
 *
 *   [n, kind, id, nusd, tokens, input, estimated, prior nusd, tokens, input, labels, [counter, ...]]
 *     with counters as [key, unit, limit, hard, expires, slot_ms, slots, used]
 *   [n, "r", key, slot, delta, slot_ms, count]
 *
 * `s` settled, `p` settled at the estimate, `v` held again after that, `x` released after that; `prior` is the estimate
 * it replaces, -1 where there is none. `used` is how much of the owner's slice is used up by it; negative gives to it, and
 * `v` is only done where all that it gives still counts. `p` with a `prior`: what `v` asked for is not wanted any more.
 * `r` corrects a sliding window.
 */
export class Item {
  /** As it stands. */
  readonly text = new Lines();
  /** Of one of money, length up to its labels: what follows mostly comes again with the next. 0 where it is not of money. */
  stem = 0;
  labels = '';
  /** Of its counters, by number up to `count`: whose they are, and what they end with. */
  count = 0;
  readonly slices: Slice[] = [];
  readonly used: number[] = [];

  /** One of money, up to its counters. */
  money(books: Books, kind: MoneyKind, hold: LocalHold, amount: Amount, estimated: boolean, labels: string): void {
    const { text } = this;
    const { nusd, tokens, input = 0 } = amount;
    text.clear();
    text.byte(open);
    text.number(books.items + 1);
    text.put(kinds[kind]);
    text.quoted(hold.id);
    put(text, nusd, tokens, input);
    text.put(estimated ? was.estimated : was.exact);
    if (hold.provisional) put(text, hold.nusd, hold.tokens, hold.input);
    else text.put(no_prior);
    this.stem = text.size;
    this.labels = labels;
    this.count = 0;
    text.byte(comma);
    text.quoted(labels);
    text.put(counters_open);
  }

  /** The next counter of one of money. */
  counter(slice: Slice, used: number): void {
    const { text } = this;
    if (this.count > 0) text.byte(comma);
    slice.head ??= { bytes: headOf(slice), mark: 0 };
    text.put(slice.head.bytes);
    this.slices[this.count] = slice;
    this.used[this.count] = used;
    this.count += 1;
    text.number(used);
    text.byte(close);
  }

  /** All its counters were named. */
  end(): void {
    this.text.put(counters_close);
  }

  /** One of a sliding window. */
  rate(books: Books, key: string, slot: number, delta: number, slot_ms: number, count: number): void {
    this.text.clear();
    this.stem = 0;
    this.text.letters(`[${books.items + 1},"r",${JSON.stringify(key)},${slot},${delta},${slot_ms},${count}]`);
  }
}

/** An item of money from its pieces: up to its labels, they, and each counter up to what is used, with that. */
export function textOfPieces(
  stem: string,
  labels: string,
  counters: readonly (readonly [head: string, used: number])[],
) {
  return `${stem},${JSON.stringify(labels)},[${counters.map(([head, used]) => `${head}${used}]`).join(',')}]]`;
}

/** The one that is being written: of all organisations, used within a step. */
export const item = new Item();

type MoneyKind = 's' | 'p' | 'v' | 'x';

const [open, close, comma] = [0x5b, 0x5d, 0x2c];
const kinds: Readonly<Record<MoneyKind, Buffer>> = {
  s: Buffer.from(',"s",'),
  p: Buffer.from(',"p",'),
  v: Buffer.from(',"v",'),
  x: Buffer.from(',"x",'),
};
const was = { exact: Buffer.from(',0'), estimated: Buffer.from(',1') };
const no_prior = Buffer.from(',-1,-1,-1');
const counters_open = Buffer.from(',[');
const counters_close = Buffer.from(']]');

function put(text: Lines, nusd: number, tokens: number, input: number): void {
  text.byte(comma);
  text.number(nusd);
  text.byte(comma);
  text.number(tokens);
  text.byte(comma);
  text.number(input);
}

const letters = { nusd: 'n', tokens: 't', requests: 'r' } as const;

function headOf({ key, unit, budget, expires_ms }: Slice): Buffer {
  const { limit, hard, rolling_ms } = budget;
  const { slot_ms, count } = rolling_ms === undefined ? { slot_ms: 0, count: 0 } : slotting(rolling_ms);
  const shape = `${limit},${hard ? 1 : 0},${expires_ms},${slot_ms},${count}`;
  return Buffer.from(`[${JSON.stringify(key)},"${letters[unit]}",${shape},`);
}

/** An item that was written, as what replaying needs of it. */
export interface ReadItem {
  readonly number: number;
  readonly kind: string;
  readonly id: string;
  readonly nusd: number;
  readonly tokens: number;
}

type MoneyItem = readonly [
  number,
  string,
  string,
  nusd: number,
  tokens: number,
  input: number,
  estimated: number,
  priorNusd: number,
  priorTokens: number,
  priorInput: number,
  labels: string,
  counters: readonly (readonly [
    key: string,
    unit: string,
    limit: number,
    hard: number,
    expires: number,
    slot_ms: number,
    slots: number,
    used: number,
  ])[],
];

/** A counter as items name it, and what they add to what is spent of it; less than nothing where they take back. */
export interface SpentOf {
  readonly limit: number;
  readonly hard: boolean;
  readonly expires_ms: number;
  spent: number;
}

/** What these items add to what is spent, by the counters' keys; of those up to number `but` nothing. */
export function spentBy(texts: Iterable<string>, but = 0): Map<string, SpentOf> {
  const sums = new Map<string, SpentOf>();
  for (const text of texts) {
    const item = JSON.parse(text) as MoneyItem | readonly [number, 'r', ...unknown[]];
    if (item[1] === 'r' || item[0] <= but) continue;
    const [, kind, , nusd, tokens, , , priorNusd, priorTokens, , , counters] = item as MoneyItem;
    const spends = kind === 's' || kind === 'p';
    for (const [key, unit, limit, hard, expires_ms, , , used] of counters) {
      let sum = sums.get(key);
      if (sum === undefined) {
        sum = { limit, hard: hard === 1, expires_ms, spent: 0 };
        sums.set(key, sum);
      }
      if (priorNusd >= 0 && (kind === 'v' || kind === 'p')) {
        sum.spent += used;
        continue;
      }
      const after = spends ? sizeOf(unit, nusd, tokens) : 0;
      const before = priorNusd < 0 ? 0 : sizeOf(unit, priorNusd, priorTokens);
      sum.spent += after - before;
    }
  }
  return sums;
}

/** How many calls these items tell of, and what they add to what was spent, in nano-dollars. */
export function moneyIn(texts: Iterable<string>): { readonly calls: number; readonly nusd: number } {
  const calls = new Set<string>();
  let sum = 0;
  for (const text of texts) {
    const [, kind, id, nusd, , , , prior] = JSON.parse(text) as MoneyItem;
    if (kind === 'r') continue;
    calls.add(id);
    // An estimate that is one all the same takes nothing's place: what came before it took it back.
    sum += nusd - (kind === 'p' ? 0 : Math.max(0, prior));
  }
  return { calls: calls.size, nusd: sum };
}

/** The counters whose slice an item of money gives to. */
export function givenBy(text: string): ReadonlySet<string> {
  const { 11: counters } = JSON.parse(text) as MoneyItem;
  return new Set(counters.flatMap(([key, , , , , , , used]) => (used < 0 ? [key] : [])));
}

function sizeOf(unit: string, nusd: number, tokens: number): number {
  return unit === letters.nusd ? nusd : unit === letters.tokens ? tokens : 1;
}

/** Throws for a text that is no item. */
export function readItem(text: string): ReadItem {
  const [number, kind, id, nusd, tokens] = JSON.parse(text) as [number, string, string, number, number];
  if (!Number.isSafeInteger(number) || typeof kind !== 'string') throw new Error(`'${text}' is no item`);
  return { number, kind, id, nusd, tokens };
}
