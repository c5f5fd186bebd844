import { joined, labelText } from '../labels.ts';
import type { Labels, Override, Settlement } from '../ledger.ts';
import type { Lines } from '../lines.ts';
import type { Organization } from './organization.ts';
import type { Ring } from './ring.ts';
import { type Counter, type Hold, isForgiven, type Joining, type Seats } from './state.ts';
import { putMarks, putNumber, putWord } from './words.ts';

const [reserved, settled] = [Buffer.from('r '), Buffer.from('s ')];

/** Labels told apart within a segment; beyond, they are named again. */
const labels_max = 10_000;

/**
 * The journal's language: one line a step, words parted by spaces, tables numbered within a segment.
 *
 *   O n org time                       names an organisation; the latest moment anything was counted at
 *   K n org unit end keep key          names a counter
 *   L n limit hard                     the limit last asked of it
 *   R n org unit limit slots ms key    names a sliding window
 *   S n org limit key                  names seats
 *   Q n labels                         names labels, `team=research&user=jane`
 *   k n spent held requests tokens     a counter's sums (snapshot, repair)
 *   w n head slot:spent:requests:tokens,...   a rolling counter by its slots (snapshot, repair)
 *   g n head slot:amount,...           a sliding window (snapshot)
 *   h id org owner expires nusd tokens provisional K.. R:slot:amount.. S.. input Q at   a hold (snapshot)
 *   d org id...                        settled ids, still remembered (snapshot)
 *   o org series limit expires         a limit that stands in (expires 0: until it is taken back; limit -: taken back)
 *   E                                  the snapshot ends
 *   r id org owner now expires nusd tokens K.. R.. S.. input Q   reserved
 *   a id org now expires nusd tokens K.. R.. S.. input           amended
 *   s id org now nusd tokens estimated prior K.. input Q         settled
 *   p id org now nusd tokens K.. input Q                         settled by the reaper, provisionally
 *   v id org now prior K..                                       held again after that
 *   x id org now prior K..                                       released
 *   z n now                                                      a counter set to zero
 *   f bytes                                                      so much of the segment is on the disk (`journal.ts`)
 *
 * `prior` is `nusd:tokens:input:at` where the step replaces the reaper's estimate, else `-`; a counter with `!` behind it
 * does not count that estimate any more. Version 1 had no `O` time, `Q`, `w`, `o`, `z`, and none of what follows them.
 */
export class Scribe {
  /** Where the next line belongs. */
  #next: () => Lines;
  #numbers = 0;
  #named: { mark: number }[] = [];
  #labels = new Map<string, number>();
  #lastLabels: { readonly labels: Labels; readonly mark: number } | undefined;
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
    this.#labels = new Map();
    this.#lastLabels = undefined;
  }

  #line(text: string): void {
    this.#next().letters(text);
  }

  organization(org: Organization): number {
    if (org.mark === 0) this.#line(`O ${this.#number(org)} ${encodeURIComponent(org.id)} ${org.time_ms}\n`);
    return org.mark;
  }

  counter(org: Organization, counter: Counter): number {
    if (counter.mark === 0) {
      const of = this.organization(org);
      const keep = Number.isFinite(counter.keep_until_ms) ? counter.keep_until_ms : 0;
      this.#line(`K ${this.#number(counter)} ${of} ${counter.unit} ${counter.end_ms} ${keep} ${counter.key}\n`);
      this.limit(org, counter);
    }
    return counter.mark;
  }

  limit(org: Organization, counter: Counter): void {
    this.#line(`L ${this.counter(org, counter)} ${counter.limit} ${counter.hard ? 1 : 0}\n`);
  }

  ring(org: Organization, ring: Ring): number {
    if (ring.mark === 0) {
      const of = this.organization(org);
      const { limit, slots, slot_ms, key } = ring;
      this.#line(`R ${this.#number(ring)} ${of} ${ring.unit} ${limit} ${slots.length} ${slot_ms} ${key}\n`);
    }
    return ring.mark;
  }

  seats(org: Organization, seats: Seats): number {
    if (seats.mark === 0) {
      const of = this.organization(org);
      this.#line(`S ${this.#number(seats)} ${of} ${seats.limit} ${seats.key}\n`);
    }
    return seats.mark;
  }

  /** `joining` is all it has. */
  reserved(org: Organization, hold: Hold, joining: Joining, now_ms: number): void {
    for (const ring of joining.rings) this.ring(org, ring);
    for (const one of joining.seats) this.seats(org, one);
    this.#name(org, joining.counters);
    const of = this.organization(org);
    const labels = this.#labelled(hold.labels);
    const line = this.#begin(reserved, hold, of);
    putWord(line, this.#ownerOf(hold));
    putNumber(line, now_ms);
    putNumber(line, hold.expires_ms);
    putNumber(line, hold.nusd);
    putNumber(line, hold.tokens);
    putMarks(line, joining.counters);
    putMarks(line, joining.rings);
    putMarks(line, joining.seats);
    putNumber(line, hold.input);
    line.letters(`${labels}\n`);
  }

  amended(org: Organization, hold: Hold, joining: Joining, now_ms: number): void {
    const rest = this.#joining(org, joining);
    const of = this.organization(org);
    this.#line(`a ${hold.id} ${of} ${now_ms} ${hold.expires_ms} ${hold.nusd} ${hold.tokens}${rest} ${hold.input}\n`);
  }

  settled(org: Organization, hold: Hold, { amount, estimated, labels }: Settlement, now_ms: number): void {
    this.#name(org, hold.counters);
    const of = this.organization(org);
    const names = this.#labelled(joined(hold.labels, labels));
    const line = this.#begin(settled, hold, of);
    putNumber(line, now_ms);
    putNumber(line, amount.nusd);
    putNumber(line, amount.tokens);
    putNumber(line, estimated ? 1 : 0);
    putWord(line, priorOf(hold));
    if (hold.provisional) putWord(line, this.#counters(org, hold.counters, hold));
    else putMarks(line, hold.counters);
    putNumber(line, amount.input ?? 0);
    line.letters(`${names}\n`);
  }

  #begin(kind: Buffer, { id }: Hold, of: number): Lines {
    const line = this.#next();
    line.put(kind);
    putWord(line, id);
    putNumber(line, of);
    return line;
  }

  #name(org: Organization, counters: readonly Counter[]): void {
    for (const counter of counters) if (counter.mark === 0) this.counter(org, counter);
  }

  reaped(org: Organization, hold: Hold, now_ms: number): void {
    const keys = this.#counters(org, hold.counters);
    const of = this.organization(org);
    const labels = this.#labelled(hold.labels);
    this.#line(`p ${hold.id} ${of} ${now_ms} ${hold.nusd} ${hold.tokens} ${keys} ${hold.input} ${labels}\n`);
  }

  /** `x` or `v`, said before it is done. */
  undone(kind: 'x' | 'v', org: Organization, hold: Hold, now_ms: number): void {
    const keys = this.#counters(org, hold.counters, hold);
    this.#line(`${kind} ${hold.id} ${this.organization(org)} ${now_ms} ${priorOf(hold)} ${keys}\n`);
  }

  override(org: Organization, series: string, override: Override | undefined): void {
    const { limit = '-', expires_at_ms = 0 } = override ?? {};
    this.#line(`o ${this.organization(org)} ${series} ${limit} ${expires_at_ms}\n`);
  }

  reset(org: Organization, counter: Counter): void {
    this.#line(`z ${this.counter(org, counter)} ${org.time_ms}\n`);
  }

  sums(org: Organization, counter: Counter): void {
    const { spent, held, requests, tokens } = counter;
    this.#line(`k ${this.counter(org, counter)} ${spent} ${held} ${requests} ${tokens}\n`);
    const { rolling } = counter;
    if (rolling === undefined) return;
    const slots: string[] = [];
    for (let place = 0; place < rolling.count; place++) {
      const [s, r, t] = [rolling.spent[place] ?? 0, rolling.requests[place] ?? 0, rolling.tokens[place] ?? 0];
      if (s + r + t > 0) slots.push(`${place}:${s}:${r}:${t}`);
    }
    this.#line(`w ${counter.mark} ${rolling.head} ${slots.join() || '-'}\n`);
  }

  /** Everything there is, as the head of a segment, written where `next` says. */
  snapshot(organizations: Iterable<Organization>, next: () => Lines): void {
    const journal = this.#next;
    this.#next = next;
    try {
      this.#everything(organizations);
    } finally {
      this.#next = journal;
    }
  }

  #everything(organizations: Iterable<Organization>): void {
    for (const org of organizations) {
      for (const counter of org.counters.values()) if (touched(counter)) this.sums(org, counter);
      for (const ring of org.rings.values()) {
        const slots = [...ring.slots].flatMap((amount, place) => (amount === 0 ? [] : [`${place}:${amount}`]));
        this.#line(`g ${this.ring(org, ring)} ${ring.head} ${slots.join() || '-'}\n`);
      }
      for (const hold of org.holds.values()) this.#hold(org, hold);
      for (const [series, override] of org.overrides) this.override(org, series, override);
      const of = this.organization(org);
      for (const ids of org.remembered(1_000)) this.#line(`d ${of} ${ids}\n`);
    }
    this.#line('E\n');
  }

  #hold(org: Organization, hold: Hold): void {
    const keys = this.#counters(org, hold.counters, hold);
    const labels = this.#labelled(hold.labels);
    const rings = hold.rings.map((share) => `${this.ring(org, share.ring)}:${share.slot}:${share.amount}`);
    const seats = hold.seats.map((one) => this.seats(org, one));
    const of = this.organization(org);
    const { id, expires_ms, nusd, tokens } = hold;
    const owner = this.#ownerOf(hold);
    this.#line(
      `h ${id} ${of} ${owner} ${expires_ms} ${nusd} ${tokens} ${hold.provisional ? 1 : 0} ${keys} ${rings.join() || '-'} ${seats.join() || '-'} ${hold.input} ${labels} ${hold.at_ms}\n`,
    );
  }

  #joining(org: Organization, joining: Joining): string {
    let rings = '';
    for (const ring of joining.rings) rings += rings === '' ? this.ring(org, ring) : `,${this.ring(org, ring)}`;
    let seats = '';
    for (const one of joining.seats) seats += seats === '' ? this.seats(org, one) : `,${this.seats(org, one)}`;
    const keys = this.#counters(org, joining.counters);
    this.organization(org);
    return ` ${keys} ${rings === '' ? '-' : rings} ${seats === '' ? '-' : seats}`;
  }

  /** `hold`: whose estimate is about to be replaced. */
  #counters(org: Organization, counters: readonly Counter[], hold?: Hold): string {
    let keys = '';
    for (const counter of counters) {
      const mark = counter.mark === 0 ? this.counter(org, counter) : counter.mark;
      keys += keys === '' ? mark : `,${mark}`;
      if (hold?.provisional && isForgiven(hold, counter)) keys += '!';
    }
    return keys === '' ? '-' : keys;
  }

  /** The number of labels, `-` for none. A call's steps share one object, and calls of one caller one text. */
  #labelled(labels: Labels | undefined): number | '-' {
    if (labels === undefined) return '-';
    if (this.#lastLabels?.labels === labels) return this.#lastLabels.mark;
    const text = labelText(labels);
    if (text === '') return '-';
    let mark = this.#labels.get(text);
    if (mark === undefined) {
      if (this.#labels.size >= labels_max) this.#labels.clear();
      mark = ++this.#numbers;
      this.#labels.set(text, mark);
      this.#line(`Q ${mark} ${text}\n`);
    }
    this.#lastLabels = { labels, mark };
    return mark;
  }

  #ownerOf({ owner }: Hold): string {
    if (owner !== this.#owner) {
      this.#ownerWord = encodeURIComponent(owner);
      this.#owner = owner;
    }
    return this.#ownerWord;
  }

  #number(one: { mark: number }): number {
    one.mark = ++this.#numbers;
    this.#named.push(one);
    return one.mark;
  }
}

function priorOf(hold: Hold): string {
  return hold.provisional ? `${hold.nusd}:${hold.tokens}:${hold.input}:${hold.at_ms}` : '-';
}

export function touched(counter: Counter): boolean {
  return counter.limit + counter.spent + counter.held + counter.requests > 0;
}
