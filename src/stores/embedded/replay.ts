import type { Amount, Budget } from '../ledger.ts';
import { Organization } from './organization.ts';
import type { Ring } from './ring.ts';
import { type Counter, type Hold, openHold, reviveHold, type Seats, spendHold, undoHold, widenHold } from './state.ts';

/** Follows the lines of a segment and builds the state they describe. The language is `Scribe`'s. */
export class Replay {
  readonly organizations: Map<string, Organization>;
  readonly #orgs: Organization[] = [];
  readonly #counters: Counter[] = [];
  readonly #rings: Ring[] = [];
  readonly #seats: Seats[] = [];
  /** Whether the snapshot at the head was read to its end. */
  whole = false;

  constructor(organizations: Map<string, Organization>) {
    this.organizations = organizations;
  }

  /** Throws for a line that makes no sense: the frame around it was whole, so this is no torn end. */
  line(text: string): void {
    const w = text.split(' ');
    switch (w[0]) {
      case 'r':
        this.#reserved(w);
        return;
      case 's':
        this.#settled(w);
        return;
      case 'a': {
        const { hold } = this.#hold(w);
        const joining = {
          counters: this.#all(this.#counters, w[7]),
          rings: this.#all(this.#rings, w[8]),
          seats: this.#all(this.#seats, w[9]),
        };
        widenHold(hold, amount(w[5], w[6]), int(w[4]), joining, int(w[3]));
        return;
      }
      case 'p': {
        const { hold } = this.#hold(w);
        spendHold(hold, amount(w[4], w[5]), true, int(w[3]));
        return;
      }
      case 'v':
        reviveHold(this.#hold(w).hold);
        return;
      case 'x': {
        const { org, hold } = this.#hold(w);
        undoHold(hold, int(w[3]));
        org.holds.delete(hold.id);
        return;
      }
      case 'O': {
        const id = decodeURIComponent(word(w[2]));
        const org = this.organizations.get(id) ?? new Organization(id);
        this.organizations.set(id, org);
        this.#orgs[int(w[1])] = org;
        return;
      }
      case 'K': {
        const org = this.#one(this.#orgs, w[2]);
        const key = word(w[6]);
        this.#counters[int(w[1])] =
          org.counters.get(key) ?? org.addCounter(key, word(w[3]) as Budget['unit'], int(w[4]), int(w[5]));
        return;
      }
      case 'L': {
        const counter = this.#one(this.#counters, w[1]);
        counter.limit = int(w[2]);
        counter.hard = w[3] === '1';
        return;
      }
      case 'R': {
        const slots = { count: int(w[5]), slot_ms: int(w[6]) };
        const ring = this.#one(this.#orgs, w[2]).addRing(word(w[7]), word(w[3]) as Ring['unit'], slots);
        ring.limit = int(w[4]);
        this.#rings[int(w[1])] = ring;
        return;
      }
      case 'S': {
        const seats = this.#one(this.#orgs, w[2]).addSeats(word(w[4]));
        seats.limit = int(w[3]);
        this.#seats[int(w[1])] = seats;
        return;
      }
      case 'k': {
        const counter = this.#one(this.#counters, w[1]);
        counter.spent = int(w[2]);
        counter.held = int(w[3]);
        counter.requests = int(w[4]);
        counter.tokens = int(w[5]);
        return;
      }
      case 'g':
        this.#slots(w);
        return;
      case 'h':
        this.#open(w);
        return;
      case 'd': {
        const org = this.#one(this.#orgs, w[1]);
        for (const id of w.slice(2)) org.remember(id);
        return;
      }
      case 'E':
        this.whole = true;
        return;
      case 'ledger':
        if (w[1] !== '1') throw new Error(`the journal is of version ${w[1]}, which this program does not know`);
        return;
      default:
        throw new Error(`unknown record '${w[0]}'`);
    }
  }

  #reserved(w: string[]): void {
    const org = this.#one(this.#orgs, w[2]);
    const hold = blank(w, amount(w[6], w[7]), int(w[5]));
    org.forget(hold.id);
    org.holds.set(hold.id, hold);
    const joining = {
      counters: this.#all(this.#counters, w[8]),
      rings: this.#all(this.#rings, w[9]),
      seats: this.#all(this.#seats, w[10]),
    };
    openHold(hold, joining, int(w[4]));
  }

  #settled(w: string[]): void {
    const { org, hold } = this.#hold(w);
    spendHold(hold, amount(w[4], w[5]), false, int(w[3]));
    org.holds.delete(hold.id);
    org.remember(hold.id);
  }

  #slots(w: string[]): void {
    const ring = this.#one(this.#rings, w[1]);
    ring.head = int(w[2]);
    for (const [place, value] of pairs(w[3])) {
      ring.slots[place ?? 0] = value ?? 0;
      ring.used += value ?? 0;
    }
  }

  #open(w: string[]): void {
    const org = this.#one(this.#orgs, w[2]);
    const hold = blank(w, amount(w[5], w[6]), int(w[4]));
    hold.provisional = w[7] === '1';
    hold.counters.push(...this.#all(this.#counters, w[8]));
    for (const [mark, slot = 0, share = 0] of pairs(w[9])) {
      hold.rings.push({ ring: this.#one(this.#rings, String(mark)), slot, amount: share });
    }
    hold.seats.push(...this.#all(this.#seats, w[10]));
    if (!hold.provisional) for (const seats of hold.seats) seats.taken++;
    org.holds.set(hold.id, hold);
  }

  #hold(w: string[]): { org: Organization; hold: Hold } {
    const org = this.#one(this.#orgs, w[2]);
    const hold = org.holds.get(word(w[1]));
    if (hold === undefined) throw new Error(`record '${w[0]}' speaks of ${w[1]}, under which nothing is held`);
    return { org, hold };
  }

  #one<T>(table: readonly T[], mark: string | undefined): T {
    const one = table[int(mark)];
    if (one === undefined) throw new Error(`number ${mark} was not named before`);
    return one;
  }

  #all<T>(table: readonly T[], marks: string | undefined): T[] {
    return marks === undefined || marks === '-' ? [] : marks.split(',').map((mark) => this.#one(table, mark));
  }
}

function blank(w: string[], size: Amount, expires_ms: number): Hold {
  const owner = decodeURIComponent(word(w[3]));
  return {
    id: word(w[1]),
    owner,
    nusd: size.nusd,
    tokens: size.tokens,
    expires_ms,
    provisional: false,
    counters: [],
    rings: [],
    seats: [],
  };
}

function word(text: string | undefined): string {
  if (text === undefined) throw new Error('a record is too short');
  return text;
}

export function int(text: string | undefined): number {
  const value = Number(word(text));
  if (!Number.isFinite(value)) throw new Error(`'${text}' is no number`);
  return value;
}

export function amount(nusd: string | undefined, tokens: string | undefined): Amount {
  return { nusd: int(nusd), tokens: int(tokens) };
}

function pairs(text: string | undefined): number[][] {
  return text === undefined || text === '-' ? [] : text.split(',').map((one) => one.split(':').map(Number));
}
