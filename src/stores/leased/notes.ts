import { encoded } from '../window-key.ts';
import type { Books } from './books.ts';
import type { LocalHold, Slice } from './slices.ts';

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
  #line: (text: string) => void;
  #numbers = 0;
  #named: { mark: number }[] = [];
  /** The owner named last, and how. */
  #owner = '';
  #ownerWord = '';

  constructor(line: (text: string) => void) {
    this.#line = line;
  }

  /** A new segment names everything anew. */
  restart(): void {
    for (const one of this.#named) one.mark = 0;
    this.#named = [];
    this.#numbers = 0;
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
    this.#line(`r ${hold.id} ${this.organization(books)} ${this.#ownerWord} ${this.#holding(books, hold)}\n`);
  }

  amended(books: Books, hold: LocalHold): void {
    this.#line(`a ${hold.id} ${this.organization(books)} ${this.#holding(books, hold)}\n`);
  }

  released(books: Books, hold: LocalHold): void {
    this.#line(`x ${hold.id} ${this.organization(books)}\n`);
  }

  item(books: Books, text: string): void {
    this.#line(`i ${this.organization(books)} ${text}\n`);
  }

  acknowledged(books: Books, number: number): void {
    this.#line(`k ${this.organization(books)} ${number}\n`);
  }

  /** Everything there is, as the head of a segment. */
  snapshot(all: Iterable<Books>, line: (text: string) => void): void {
    const journal = this.#line;
    this.#line = line;
    try {
      for (const books of all) this.#everything(books);
      line('E\n');
    } finally {
      this.#line = journal;
    }
  }

  #everything(books: Books): void {
    const of = this.organization(books);
    for (const hold of books.holds.values()) {
      this.held(books, hold);
      if (hold.provisional) this.#line(`e ${hold.id} ${of}\n`);
    }
    for (const text of books.untold.texts()) this.#line(`i ${of} ${text}\n`);
    const settled = books.settled.all();
    for (let at = 0; at < settled.length; at += 1_000) {
      this.#line(`d ${of} ${settled.slice(at, at + 1_000).join(' ')}\n`);
    }
  }

  #holding(books: Books, hold: LocalHold): string {
    let marks = '';
    for (const slice of hold.slices)
      marks += marks === '' ? this.#slice(books, slice) : `,${this.#slice(books, slice)}`;
    const { expires_ms, nusd, tokens, input, labels } = hold;
    return `${expires_ms} ${nusd} ${tokens} ${input} ${marks === '' ? '-' : marks} ${labels === '' ? '-' : labels}`;
  }

  #slice(books: Books, slice: Slice): number {
    if (slice.mark === 0) {
      const of = this.organization(books);
      const { unit, budget, start_ms, end_ms, expires_ms, key } = slice;
      const limit = `${budget.limit} ${budget.hard ? 1 : 0}`;
      this.#line(`B ${this.#number(slice)} ${of} ${unit} ${limit} ${start_ms} ${end_ms} ${expires_ms} ${key}\n`);
    }
    return slice.mark;
  }

  #number(one: { mark: number }): number {
    one.mark = ++this.#numbers;
    this.#named.push(one);
    return one.mark;
  }
}
