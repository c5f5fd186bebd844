import type { Budget } from '../ledger.ts';
import { budgetOfKey } from '../window-key.ts';
import { Books } from './books.ts';
import { givenBy, readItem, textOfPieces } from './items.ts';
import type { LocalHold, Slice } from './slices.ts';

/** Follows the lines of a segment; the language is `Notes`'s. */
export class Replay {
  readonly all = new Map<string, Books>();
  owner = '';
  /** Whether the snapshot at the head was read to its end. */
  whole = false;
  readonly #books: Books[] = [];
  readonly #slices: Slice[] = [];
  readonly #texts: string[] = [];
  #spelled = false;

  /** Throws for a line that makes no sense: the frame around it was whole, so this is no torn end. */
  line(text: string): void {
    const w = text.split(' ');
    switch (w[0]) {
      case 'r': {
        const books = this.#of(w[2]);
        const [id, owner] = [word(w[1]), decodeURIComponent(this.#text(w[3]))];
        const hold: LocalHold = { id, owner, ...this.#holding(w, 4), provisional: false, parts: [], seats: [] };
        books.settled.delete(id);
        books.holds.set(id, hold);
        for (const slice of hold.slices) slice.held += inUnit(slice, hold);
        return;
      }
      case 'a': {
        const { books, hold } = this.#hold(w);
        const { slices, ...rest } = this.#holding(w, 3);
        this.#move(hold, -1);
        books.unheard.delete(hold.id);
        books.holds.set(hold.id, { ...hold, ...rest, slices, provisional: false });
        for (const slice of slices) slice.held += inUnit(slice, rest);
        return;
      }
      case 'x': {
        const { books, hold } = this.#hold(w);
        this.#move(hold, -1);
        books.holds.delete(hold.id);
        return;
      }
      case 'e': {
        const { hold } = this.#hold(w);
        this.#move(hold, -1);
        hold.provisional = true;
        return;
      }
      case 'i':
        this.#item(this.#of(w[1]), text.slice(text.indexOf('[')));
        return;
      case 'j':
        this.#item(this.#of(w[1]), this.#joined(w));
        return;
      case 'W':
        this.#texts[int(w[1])] = text.slice(text.indexOf(' ', 2) + 1);
        return;
      case 'k': {
        const books = this.#of(w[1]);
        const done = int(w[2]);
        books.items = Math.max(books.items, done);
        books.untold.heard(done);
        // Its end was heard as well: it was refused.
        for (const [id, { number }] of books.unheard) if (number <= done) books.unheard.delete(id);
        return;
      }
      case 'O': {
        const id = decodeURIComponent(word(w[3]));
        const books = this.all.get(id) ?? new Books(id);
        books.items = Math.max(books.items, int(w[2]));
        this.all.set(id, books);
        this.#books[int(w[1])] = books;
        return;
      }
      case 'B':
        this.#slices[int(w[1])] = this.#slice(w);
        return;
      case 'd':
        for (const id of w.slice(2)) this.#of(w[1]).settled.add(id);
        return;
      case 'E':
        this.whole = true;
        return;
      case 'leased':
        this.#spelled = w[1] === '1';
        if (!this.#spelled && w[1] !== '2')
          throw new Error(`the journal is of version ${w[1]}, which this program does not know`);
        this.owner = word(w[2]);
        return;
      default:
        throw new Error(`unknown record '${w[0]}'`);
    }
  }

  /** An item of the snapshot only waits; one after it also says what became of a hold. */
  #item(books: Books, text: string): void {
    const { number, kind, id, nusd, tokens } = readItem(text);
    books.items = Math.max(books.items, number);
    books.untold.add(number, text);
    if (kind === 'v') books.unheard.set(id, { number, keys: givenBy(text) });
    else if (kind !== 'r') books.unheard.delete(id);
    const hold = books.holds.get(id);
    if (!this.whole || kind === 'r' || hold === undefined) return;
    if (kind === 'v') return;
    if (!hold.provisional) this.#move(hold, -1);
    if (kind === 'p') {
      hold.provisional = true;
      hold.nusd = nusd;
      hold.tokens = tokens;
      return;
    }
    books.holds.delete(id);
    if (kind === 's') books.settled.add(id);
  }

  #move(hold: LocalHold, sign: 1 | -1): void {
    if (hold.provisional) return;
    for (const slice of hold.slices) slice.held += sign * inUnit(slice, hold);
  }

  #slice(w: string[]): Slice {
    const books = this.#of(w[2]);
    const key = word(w[9]);
    const told = budgetOfKey(key);
    if (told === undefined) throw new Error(`'${key}' is no key of a budget`);
    const unit = word(w[3]) as Budget['unit'];
    const budget = { ...told.budget, unit, limit: int(w[4]), hard: w[5] === '1', warnPercent: [] };
    const [start_ms, end_ms, expires_ms] = [int(w[6]), int(w[7]), int(w[8])];
    return books.slices.get(key) ?? books.addSlice({ key, budget, start_ms, end_ms, expires_ms });
  }

  #holding(w: string[], at: number) {
    const marks = word(w[at + 4]);
    const slices = marks === '-' ? [] : marks.split(',').map((mark) => this.#named(this.#slices, mark));
    const [expires_ms, nusd, tokens, input] = [int(w[at]), int(w[at + 1]), int(w[at + 2]), int(w[at + 3])];
    const none = this.#spelled ? '-' : '0';
    const labels = w[at + 5] === none ? '' : this.#text(w[at + 5]);
    return { expires_ms, nusd, tokens, input, slices, labels };
  }

  #joined([, , stem, labels, ...counters]: string[]): string {
    const all: [string, number][] = [];
    for (let at = 0; at < counters.length; at += 2) {
      all.push([this.#named(this.#texts, counters[at]), int(counters[at + 1])]);
    }
    return textOfPieces(word(stem), this.#named(this.#texts, labels), all);
  }

  /** An owner or labels, which version 1 spelled. */
  #text(said: string | undefined): string {
    return this.#spelled ? word(said) : this.#named(this.#texts, said);
  }

  #of(mark: string | undefined): Books {
    return this.#named(this.#books, mark);
  }

  #hold(w: string[]): { books: Books; hold: LocalHold } {
    const books = this.#of(w[2]);
    const hold = books.holds.get(word(w[1]));
    if (hold === undefined) throw new Error(`record '${w[0]}' speaks of ${w[1]}, under which nothing is held`);
    return { books, hold };
  }

  #named<T>(table: readonly T[], mark: string | undefined): T {
    const one = table[int(mark)];
    if (one === undefined) throw new Error(`number ${mark} was not named before`);
    return one;
  }
}

function inUnit(slice: Slice, amount: { readonly nusd: number; readonly tokens: number }): number {
  return slice.unit === 'nusd' ? amount.nusd : slice.unit === 'tokens' ? amount.tokens : 1;
}

function word(text: string | undefined): string {
  if (text === undefined) throw new Error('a record is too short');
  return text;
}

function int(text: string | undefined): number {
  const value = Number(word(text));
  if (!Number.isSafeInteger(value)) throw new Error(`'${text}' is no whole number`);
  return value;
}
