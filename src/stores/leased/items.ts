import type { Amount } from '../ledger.ts';
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
 * it replaces, -1 where there is none. `used` is how much of the owner's slice is used up by it; negative gives to it.
 * `r` corrects a sliding window.
 */
export function moneyItem(
  books: Books,
  kind: 's' | 'p' | 'v' | 'x',
  hold: LocalHold,
  amount: Amount,
  estimated: boolean,
  labels: string,
  counters: string,
): string {
  const prior = hold.provisional ? `${hold.nusd},${hold.tokens},${hold.input}` : '-1,-1,-1';
  // Labels as one word have nothing that JSON writes otherwise.
  return `[${books.items + 1},"${kind}",${quoted(hold.id)},${amount.nusd},${amount.tokens},${amount.input ?? 0},${estimated ? 1 : 0},${prior},"${labels}",[${counters}]]`;
}

/** Visible ASCII as JSON writes it: an id is mostly what stands between quotes as it is. */
function quoted(id: string): string {
  return id.includes('"') || id.includes('\\') ? JSON.stringify(id) : `"${id}"`;
}

/** A counter of an item, behind those named before. */
export function counterIn(before: string, slice: Slice, used: number): string {
  return before === '' ? `${headOf(slice)}${used}]` : `${before},${headOf(slice)}${used}]`;
}

export function rateItem(books: Books, key: string, slot: number, delta: number, slot_ms: number, count: number) {
  return `[${books.items + 1},"r",${JSON.stringify(key)},${slot},${delta},${slot_ms},${count}]`;
}

const letters = { nusd: 'n', tokens: 't', requests: 'r' } as const;

function headOf(slice: Slice): string {
  if (slice.head === '') {
    const { limit, hard, rolling_ms } = slice.budget;
    const { slot_ms, count } = rolling_ms === undefined ? { slot_ms: 0, count: 0 } : slotting(rolling_ms);
    const shape = `${limit},${hard ? 1 : 0},${slice.expires_ms},${slot_ms},${count}`;
    slice.head = `[${JSON.stringify(slice.key)},"${letters[slice.unit]}",${shape},`;
  }
  return slice.head;
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
  counters: readonly (readonly [key: string, unit: string, ...rest: unknown[]])[],
];

/** What these items add to what is spent, by the counters' keys; less than nothing where they take back. */
export function spentBy(texts: Iterable<string>): Map<string, number> {
  const sums = new Map<string, number>();
  for (const text of texts) {
    const item = JSON.parse(text) as MoneyItem | readonly [number, 'r', ...unknown[]];
    if (item[1] === 'r') continue;
    const [, kind, , nusd, tokens, , , priorNusd, priorTokens, , , counters] = item as MoneyItem;
    const spends = kind === 's' || kind === 'p';
    for (const [key, unit] of counters) {
      const after = spends ? sizeOf(unit, nusd, tokens) : 0;
      const before = priorNusd < 0 ? 0 : sizeOf(unit, priorNusd, priorTokens);
      sums.set(key, (sums.get(key) ?? 0) + after - before);
    }
  }
  return sums;
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
