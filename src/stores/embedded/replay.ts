import { labelsOf } from '../labels.ts';
import type { Amount, Budget, Labels } from '../ledger.ts';
import { amountOf } from '../rate-key.ts';
import { advance, type Rolling } from '../tally.ts';
import { budgetOfSeries } from '../window-key.ts';
import { Organization } from './organization.ts';
import type { Ring } from './ring.ts';
import {
  type Counter,
  type Hold,
  newHold,
  openHold,
  resetCounter,
  reviveHold,
  type Seats,
  spendHold,
  undoHold,
  widenHold,
} from './state.ts';

/** Follows the lines of a segment and builds the state they describe. The language is `Scribe`'s. */
export class Replay {
  readonly organizations: Map<string, Organization>;
  readonly #orgs: Organization[] = [];
  readonly #counters: Counter[] = [];
  readonly #rings: Ring[] = [];
  readonly #seats: Seats[] = [];
  readonly #labels: Labels[] = [];
  readonly #owners = new Map<Counter, Organization>();
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
        const { hold } = this.#hold(w, 3);
        const joining = {
          counters: this.#all(this.#counters, w[7]),
          rings: this.#all(this.#rings, w[8]),
          seats: this.#all(this.#seats, w[9]),
        };
        widenHold(hold, amount(w[5], w[6], w[10]), int(w[4]), joining, int(w[3]));
        return;
      }
      case 'p': {
        const { hold } = this.#hold(w, 3);
        spendHold(hold, amount(w[4], w[5], w[7]), true, int(w[3]));
        return;
      }
      case 'v':
        reviveHold(this.#hold(w, 3).hold);
        return;
      case 'x': {
        const { org, hold } = this.#hold(w, 3);
        undoHold(hold, int(w[3]));
        org.holds.delete(hold.id);
        return;
      }
      case 'O': {
        const id = decodeURIComponent(word(w[2]));
        const org = this.organizations.get(id) ?? new Organization(id);
        this.organizations.set(id, org);
        org.tick(int(w[3] ?? '0'));
        this.#orgs[int(w[1])] = org;
        return;
      }
      case 'Q':
        this.#labels[int(w[1])] = labelsOf(w[2]) ?? {};
        return;
      case 'o':
        this.#override(w);
        return;
      case 'z': {
        const counter = this.#one(this.#counters, w[1]);
        const org = this.#owners.get(counter);
        advance(counter, org?.tick(int(w[2])) ?? 0);
        resetCounter(counter, org?.holds.values() ?? []);
        return;
      }
      case 'w':
        this.#rolling(w);
        return;
      case 'K': {
        const org = this.#one(this.#orgs, w[2]);
        const key = word(w[6]);
        const counter =
          org.counters.get(key) ?? org.addCounter(key, word(w[3]) as Budget['unit'], int(w[4]), int(w[5]));
        this.#counters[int(w[1])] = counter;
        this.#owners.set(counter, org);
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
        if (w[1] !== '1' && w[1] !== '2')
          throw new Error(`the journal is of version ${w[1]}, which this program does not know`);
        return;
      default:
        throw new Error(`unknown record '${w[0]}'`);
    }
  }

  #reserved(w: string[]): void {
    const org = this.#one(this.#orgs, w[2]);
    const hold = blank(w, amount(w[6], w[7], w[11]), int(w[5]), this.#labelled(w[12]));
    org.tick(int(w[4]));
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
    const { org, hold } = this.#hold(w, 3);
    spendHold(hold, amount(w[4], w[5], w[9]), false, int(w[3]));
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
    const hold = blank(w, amount(w[5], w[6], w[11]), int(w[4]), this.#labelled(w[12]));
    hold.provisional = w[7] === '1';
    hold.at_ms = int(w[13] ?? '0');
    hold.counters.push(...this.#all(this.#counters, w[8]));
    const forgiven = (w[8] ?? '').split(',').filter((mark) => mark.endsWith('!'));
    if (forgiven.length > 0) hold.forgiven = this.#all(this.#counters, forgiven.join());
    for (const [mark, slot = 0, share = 0] of pairs(w[9])) {
      hold.rings.push({ ring: this.#one(this.#rings, String(mark)), slot, amount: share });
    }
    hold.seats.push(...this.#all(this.#seats, w[10]));
    if (!hold.provisional) for (const seats of hold.seats) seats.taken++;
    org.holds.set(hold.id, hold);
  }

  #override(w: string[]): void {
    const org = this.#one(this.#orgs, w[1]);
    const series = word(w[2]);
    const budget = budgetOfSeries(series);
    if (budget === undefined) throw new Error(`'${series}' names no budget`);
    const expires_at_ms = int(w[4]);
    if (w[3] === '-') org.overrides.delete(series);
    else org.overrides.set(series, { budget, limit: int(w[3]), ...(expires_at_ms === 0 ? {} : { expires_at_ms }) });
  }

  #rolling(w: string[]): void {
    const { rolling } = this.#one(this.#counters, w[1]);
    if (rolling !== undefined) fillRolling(rolling, w);
  }

  #labelled(mark: string | undefined): Labels | undefined {
    return mark === undefined || mark === '-' ? undefined : this.#one(this.#labels, mark);
  }

  /** Whose step it is, with the time gone on to it. */
  #hold(w: string[], when: number): { org: Organization; hold: Hold } {
    const org = this.#one(this.#orgs, w[2]);
    const time_ms = org.tick(int(w[when]));
    const hold = org.holds.get(word(w[1]));
    if (hold === undefined) throw new Error(`record '${w[0]}' speaks of ${w[1]}, under which nothing is held`);
    for (const counter of hold.counters) advance(counter, time_ms);
    return { org, hold };
  }

  #one<T>(table: readonly T[], mark: string | undefined): T {
    const one = table[int(mark)];
    if (one === undefined) throw new Error(`number ${mark} was not named before`);
    return one;
  }

  #all<T>(table: readonly T[], marks: string | undefined): T[] {
    return marks === undefined || marks === '-'
      ? []
      : marks.split(',').map((mark) => this.#one(table, mark.replace('!', '')));
  }
}

/** What a `w` line says of a window's slots. */
export function fillRolling(rolling: Rolling, w: string[]): void {
  rolling.head = int(w[2]);
  rolling.spent.fill(0);
  rolling.requests.fill(0);
  rolling.tokens.fill(0);
  for (const [place = 0, spent = 0, requests = 0, tokens = 0] of pairs(w[3])) {
    rolling.spent[place] = spent;
    rolling.requests[place] = requests;
    rolling.tokens[place] = tokens;
  }
}

function blank(w: string[], size: Amount, expires_ms: number, labels: Labels | undefined): Hold {
  const asked = { id: word(w[1]), owner: decodeURIComponent(word(w[3])), amount: size };
  return newHold(labels === undefined ? asked : { ...asked, labels }, expires_ms);
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

export function amount(nusd: string | undefined, tokens: string | undefined, input: string | undefined): Amount {
  return amountOf(int(nusd), int(tokens), int(input ?? '0'));
}

function pairs(text: string | undefined): number[][] {
  return text === undefined || text === '-' ? [] : text.split(',').map((one) => one.split(':').map(Number));
}
