import { putMarks, putNumber, putWord } from '../embedded/words.ts';
import type { Lines } from '../lines.ts';
import { encoded } from '../window-key.ts';
import type { Books } from './books.ts';
import type { Item } from './items.ts';
import type { LocalHold, Slice } from './slices.ts';

const [newline, space] = [0x0a, 0x20];
const [reserved, amended, noted] = [Buffer.from('r '), Buffer.from('a '), Buffer.from('i ')];
const inPieces = Buffer.from('j ');
/** Texts that a segment's lines have in common, at once: those of a caller who is gone are named anew when it comes back. */
const texts_max = 1_000;

/**
 * The journal of slices: one line a step, words parted by spaces, tables numbered within a segment.
 *
 *   leased 2 owner                     the head; `owner` is whose slices these are in the shared ledger
 *   O n items org                      names an organisation, and the number of its newest item
 *   B n org unit limit hard start end expires key      names a slice
 *   W n text                           names a text: an owner, labels, the beginning of an item's counter
 *   r id org owner expires nusd tokens input B.. labels            held; owner and labels as `W`, no labels as 0
 *   a id org expires nusd tokens input B.. labels                  held otherwise; the slices are all it has
 *   x id org                           released
 *   e id org                           settled at the estimate (snapshot)
 *   i org item                         an item for the shared ledger, with what it does to a hold (`items.ts`)
 *   j org item labels [counter used].. the same in pieces: up to its labels, and then what is named
 *   k org number                       items so far were acknowledged
 *   d org id...                        settled ids, still remembered (snapshot)
 *   E                                  the snapshot ends
 *
 * What was taken is not noted: the shared ledger knows, and is told to take back all but what is held. Version 1 spelled owners
 * and labels, and had no `W` and no `j`.
 */
export class Notes {
  /** Where the next line belongs. */
  #next: () => Lines;
  #numbers = 0;
  #named: { mark: number }[] = [];
  #texts = new Map<string, number>();
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
    this.#texts.clear();
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
    this.#holding(reserved, books, hold, this.#text(this.#ownerWord));
  }

  amended(books: Books, hold: LocalHold): void {
    this.#holding(amended, books, hold, 0);
  }

  released(books: Books, hold: LocalHold): void {
    this.#line(`x ${hold.id} ${this.organization(books)}\n`);
  }

  item(books: Books, item: Item): void {
    const of = this.organization(books);
    if (item.stem === 0) {
      const line = this.#next();
      line.put(noted);
      putNumber(line, of);
      line.copy(item.text);
      line.byte(newline);
      return;
    }
    const labels = this.#text(item.labels);
    const { count, slices, used } = item;
    for (let at = 0; at < count; at += 1) this.#head(slices[at]);
    const line = this.#next();
    line.put(inPieces);
    putNumber(line, of);
    line.copy(item.text, item.stem);
    line.byte(space);
    line.number(labels);
    for (let at = 0; at < count; at += 1) {
      line.byte(space);
      putNumber(line, slices[at]?.head?.mark ?? 0);
      line.number(used[at] ?? 0);
    }
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

  #holding(kind: Buffer, books: Books, hold: LocalHold, owner: number): void {
    const of = this.organization(books);
    const { id, expires_ms, nusd, tokens, input, slices, labels } = hold;
    for (const slice of slices) this.#name(books, slice);
    const named = labels === '' ? 0 : this.#text(labels);
    const line = this.#next();
    line.put(kind);
    putWord(line, id);
    putNumber(line, of);
    if (owner > 0) putNumber(line, owner);
    putNumber(line, expires_ms);
    putNumber(line, nusd);
    putNumber(line, tokens);
    putNumber(line, input);
    putMarks(line, slices);
    line.number(named);
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

  #head(slice: Slice | undefined): void {
    const head = slice?.head;
    if (head === undefined || head.mark > 0) return;
    const number = this.#number(head);
    const line = this.#next();
    line.letters(`W ${number} `);
    line.put(head.bytes);
    line.byte(newline);
  }

  /** The number of a text in this segment; of ASCII without line ends, as labels and owners are spelled. */
  #text(text: string): number {
    const known = this.#texts.get(text);
    if (known !== undefined) return known;
    if (this.#texts.size >= texts_max) this.#texts.clear();
    const number = ++this.#numbers;
    this.#texts.set(text, number);
    this.#line(`W ${number} ${text}\n`);
    return number;
  }

  #number(one: { mark: number }): number {
    one.mark = ++this.#numbers;
    this.#named.push(one);
    return one.mark;
  }
}
