import { putMarks, putNumber, putWord } from '../embedded/words.ts';
import type { Lines } from '../lines.ts';
import { encoded } from '../window-key.ts';
import type { Books } from './books.ts';
import type { LocalHold, Slice } from './slices.ts';

const newline = 0x0a;
const [reserved, amended, noted] = [Buffer.from('r '), Buffer.from('a '), Buffer.from('i ')];

/**
 * The journal of slices: one line a step, words parted by spaces, tables numbered within a segment.
 *
 *   leased 1 owner                     the head; `owner` is whose slices these are in the shared ledger
 *   O n items org                      names an organisation, and the number of its newest item
 *   B n org unit limit hard start end expires key      names a slice
 *   r id org owner expires nusd tokens input B.. labels            held
 *   a id org expires nusd tokens input B.. labels                  held otherwise; the slices are all it has
 *   x id org                           released
 *   e id org                           settled at the estimate (snapshot)
 *   i org item                         an item for the shared ledger, with what it does to a hold (`items.ts`)
 *   k org number                       items so far were acknowledged
 *   d org id...                        settled ids, still remembered (snapshot)
 *   E                                  the snapshot ends
 *
 * What was taken is not noted: the shared ledger knows, and is told to take back all but what is held.
 */
export class Notes {
  /** Where the next line belongs. */
  #next: () => Lines;
  #numbers = 0;
  #named: { mark: number }[] = [];
  /** The owner named last, and how. */
  #owner = '';
  #ownerWord = '';

  constructor(next: () => Lines) {
    this.#next = next;
  }

  /** A new segment names everything anew. */
  restart(): void {
    for (const one of this.#named) one.mark = 0;
    this.#named = [];
    this.#numbers = 0;
  }

  #line(text: string): void {
    this.#next().letters(text);
  }

  organization(books: Books): number {
    if (books.mark === 0) this.#line(`O ${this.#number(books)} ${books.items} ${encodeURIComponent(books.id)}\n`);
    return books.mark;
  }

  held(books: Books, hold: LocalHold): void {
    if (hold.owner !== this.#owner) {
      this.#ownerWord = encoded(hold.owner);
      this.#owner = hold.owner;
    }
    this.#holding(reserved, books, hold, this.#ownerWord);
  }

  amended(books: Books, hold: LocalHold): void {
    this.#holding(amended, books, hold, '');
  }

  released(books: Books, hold: LocalHold): void {
    this.#line(`x ${hold.id} ${this.organization(books)}\n`);
  }

  item(books: Books, text: Lines): void {
    const of = this.organization(books);
    const line = this.#next();
    line.put(noted);
    putNumber(line, of);
    line.copy(text);
    line.byte(newline);
  }

  acknowledged(books: Books, number: number): void {
    this.#line(`k ${this.organization(books)} ${number}\n`);
  }

  /** Everything there is, as the head of a segment, written where `next` says. */
  snapshot(all: Iterable<Books>, next: () => Lines): void {
    const journal = this.#next;
    this.#next = next;
    try {
      for (const books of all) this.#everything(books);
      this.#line('E\n');
    } finally {
      this.#next = journal;
    }
  }

  #everything(books: Books): void {
    const of = this.organization(books);
    for (const hold of books.holds.values()) {
      this.held(books, hold);
      if (hold.provisional) this.#line(`e ${hold.id} ${of}\n`);
    }
    for (const text of books.untold.texts()) this.#line(`i ${of} ${text}\n`);
    for (const ids of books.settled.lists(1_000)) this.#line(`d ${of} ${ids}\n`);
  }

  #holding(kind: Buffer, books: Books, hold: LocalHold, owner: string): void {
    const of = this.organization(books);
    const { id, expires_ms, nusd, tokens, input, slices, labels } = hold;
    for (const slice of slices) this.#name(books, slice);
    const line = this.#next();
    line.put(kind);
    putWord(line, id);
    putNumber(line, of);
    if (owner !== '') putWord(line, owner);
    putNumber(line, expires_ms);
    putNumber(line, nusd);
    putNumber(line, tokens);
    putNumber(line, input);
    putMarks(line, slices);
    line.letters(labels === '' ? '-' : labels);
    line.byte(newline);
  }

  #name(books: Books, slice: Slice): void {
    if (slice.mark === 0) {
      const of = this.organization(books);
      const { unit, budget, start_ms, end_ms, expires_ms, key } = slice;
      const limit = `${budget.limit} ${budget.hard ? 1 : 0}`;
      this.#line(`B ${this.#number(slice)} ${of} ${unit} ${limit} ${start_ms} ${end_ms} ${expires_ms} ${key}\n`);
    }
  }

  #number(one: { mark: number }): number {
    one.mark = ++this.#numbers;
    this.#named.push(one);
    return one.mark;
  }
}
