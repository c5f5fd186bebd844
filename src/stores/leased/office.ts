import type { Journal } from '../embedded/journal.ts';
import type { Books } from './books.ts';
import type { Item } from './items.ts';
import type { Notes } from './notes.ts';
import type { SliceStore } from './port.ts';

/** Figures of leasing, all in milliseconds. */
export interface Leasing {
  /** How long slices stay ours without a word from us. */
  readonly lease_ms: number;
  /** How often what happened is reported. */
  readonly report_ms: number;
  /** What calls used lately in this time is taken ahead; 0: calls reserve one by one. */
  readonly ahead_ms: number;
  /** What no call took of for so long goes back. */
  readonly idle_ms: number;
}

/** What all organisations of a leased ledger share. */
export interface Office extends Leasing {
  readonly store: SliceStore;
  readonly owner: string;
  readonly journal: Journal;
  /** Whether the journal is still this process's. */
  readonly held: () => boolean;
  readonly notes: Notes;
  /** Monotonic ms, which go on while the machine sleeps (`leaseClock`). */
  readonly clock: () => number;
  readonly notice: (message: string) => void;
  /** The ledger's clock, Unix ms, as far as it is known. */
  now(): number;
  /** Told the ledger's clock with every answer. */
  told(now_ms: number): void;
}

/** Numbers of items and trades begin above all that were given before, even those a torn journal forgot. */
export function firstNumber(after: number): number {
  return Math.max(after, Date.now() * 1_000);
}

/** Writes down an item, written with the number `books.items + 1`, and lets it wait for the next trade. */
export function note(office: Office, books: Books, item: Item): void {
  books.items++;
  books.untold.put(books.items, item.text);
  office.notes.item(books, item);
}

/** Clocks of two machines do not run equally fast: a lease is over a little earlier for its owner. */
export function margin(lease_ms: number): number {
  return Math.min(1_000, lease_ms / 10);
}

/** Whether no call took of something for so long that it goes back. */
export function isIdle({ ahead_ms, idle_ms }: Leasing, used_ms: number, now_ms: number): boolean {
  return ahead_ms === 0 || now_ms - used_ms >= idle_ms;
}
