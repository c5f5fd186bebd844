import type { Amount } from '../ledger.ts';
import type { Organization } from './organization.ts';
import type { Ring } from './ring.ts';
import type { Counter, Hold, Joining, Seats } from './state.ts';

/**
 * The journal's language: one line a step, words parted by spaces, tables numbered within a segment.
 *
 *   O n org                            names an organisation
 *   K n org unit end keep key          names a counter
 *   L n limit hard                     the limit last asked of it
 *   R n org unit limit slots ms key    names a sliding window
 *   S n org limit key                  names seats
 *   k n spent held requests tokens     a counter's sums (snapshot, repair)
 *   g n head slot:amount,...           a sliding window (snapshot)
 *   h id org owner expires nusd tokens provisional K.. R:slot:amount.. S..   a hold (snapshot)
 *   d org id...                        settled ids, still remembered (snapshot)
 *   E                                  the snapshot ends
 *   r id org owner now expires nusd tokens K.. R.. S..        reserved
 *   a id org now expires nusd tokens K.. R.. S..              amended
 *   s id org now nusd tokens estimated prior K..              settled
 *   p id org now nusd tokens K..                              settled by the reaper, provisionally
 *   v id org now prior K..                                    held again after that
 *   x id org now prior K..                                    released
 *
 * `prior` is `nusd:tokens` where the step replaces the reaper's estimate, else `-`.
 */
export class Scribe {
  #line: (text: string) => void;
  #numbers = 0;
  #named: { mark: number }[] = [];

  constructor(line: (text: string) => void) {
    this.#line = line;
  }

  /** A new segment names everything anew. */
  restart(): void {
    for (const one of this.#named) one.mark = 0;
    this.#named = [];
    this.#numbers = 0;
  }

  organization(org: Organization): number {
    if (org.mark === 0) this.#line(`O ${this.#number(org)} ${encodeURIComponent(org.id)}\n`);
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

  reserved(org: Organization, hold: Hold, now_ms: number): void {
    const rest = this.#joining(org, {
      counters: hold.counters,
      rings: hold.rings.map((share) => share.ring),
      seats: hold.seats,
    });
    const { id, expires_ms, nusd, tokens } = hold;
    this.#line(
      `r ${id} ${org.mark} ${encodeURIComponent(hold.owner)} ${now_ms} ${expires_ms} ${nusd} ${tokens}${rest}\n`,
    );
  }

  amended(org: Organization, hold: Hold, joining: Joining, now_ms: number): void {
    const rest = this.#joining(org, joining);
    const of = this.organization(org);
    this.#line(`a ${hold.id} ${of} ${now_ms} ${hold.expires_ms} ${hold.nusd} ${hold.tokens}${rest}\n`);
  }

  settled(org: Organization, hold: Hold, amount: Amount, estimated: boolean, now_ms: number): void {
    const keys = this.#counters(org, hold.counters);
    const prior = hold.provisional ? `${hold.nusd}:${hold.tokens}` : '-';
    const of = this.organization(org);
    this.#line(`s ${hold.id} ${of} ${now_ms} ${amount.nusd} ${amount.tokens} ${estimated ? 1 : 0} ${prior} ${keys}\n`);
  }

  reaped(org: Organization, hold: Hold, now_ms: number): void {
    const keys = this.#counters(org, hold.counters);
    this.#line(`p ${hold.id} ${this.organization(org)} ${now_ms} ${hold.nusd} ${hold.tokens} ${keys}\n`);
  }

  /** `x` or `v`, said before it is done. */
  undone(kind: 'x' | 'v', org: Organization, hold: Hold, now_ms: number): void {
    const keys = this.#counters(org, hold.counters);
    const prior = hold.provisional ? `${hold.nusd}:${hold.tokens}` : '-';
    this.#line(`${kind} ${hold.id} ${this.organization(org)} ${now_ms} ${prior} ${keys}\n`);
  }

  sums(org: Organization, counter: Counter): void {
    const { spent, held, requests, tokens } = counter;
    this.#line(`k ${this.counter(org, counter)} ${spent} ${held} ${requests} ${tokens}\n`);
  }

  /** Everything there is, as the head of a segment. */
  snapshot(organizations: Iterable<Organization>, line: (text: string) => void): void {
    const journal = this.#line;
    this.#line = line;
    try {
      this.#everything(organizations);
    } finally {
      this.#line = journal;
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
      const settled = org.remembered();
      const of = this.organization(org);
      for (let at = 0; at < settled.length; at += 1_000)
        this.#line(`d ${of} ${settled.slice(at, at + 1_000).join(' ')}\n`);
    }
    this.#line('E\n');
  }

  #hold(org: Organization, hold: Hold): void {
    const keys = this.#counters(org, hold.counters);
    const rings = hold.rings.map((share) => `${this.ring(org, share.ring)}:${share.slot}:${share.amount}`);
    const seats = hold.seats.map((one) => this.seats(org, one));
    const of = this.organization(org);
    const { id, expires_ms, nusd, tokens } = hold;
    const owner = encodeURIComponent(hold.owner);
    this.#line(
      `h ${id} ${of} ${owner} ${expires_ms} ${nusd} ${tokens} ${hold.provisional ? 1 : 0} ${keys} ${rings.join() || '-'} ${seats.join() || '-'}\n`,
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

  #counters(org: Organization, counters: readonly Counter[]): string {
    let keys = '';
    for (const counter of counters) {
      const mark = counter.mark === 0 ? this.counter(org, counter) : counter.mark;
      keys += keys === '' ? mark : `,${mark}`;
    }
    return keys === '' ? '-' : keys;
  }

  #number(one: { mark: number }): number {
    one.mark = ++this.#numbers;
    this.#named.push(one);
    return one.mark;
  }
}

export function touched(counter: Counter): boolean {
  return counter.limit + counter.spent + counter.held + counter.requests > 0;
}
