import { fnv } from '../fnv.ts';
import type { Told } from './memory.ts';
import { bytesOf, messageAt, write } from './message-bytes.ts';
import type { Message } from './outbox.ts';

/** What was settled or given back, and acknowledged. */
export interface Acknowledged {
  readonly message: Message;
  readonly counters: readonly Told[];
}

const page_bytes = 65_536;
const none: readonly Told[] = [];

/** Bytes of records, one after the other, and how many of them still count. */
interface Page {
  readonly bytes: Buffer;
  used: number;
  records: number;
}

/**
 * The messages that were acknowledged last, at most so many and so old. Kept by the ten thousand for minutes, so as bytes:
 * as objects every one of them would be copied and looked at again and again by the garbage collector.
 */
export class AcknowledgedLately {
  readonly #most: number;
  readonly #age_ms: number;
  /** By the place of a record, its number modulo `#most`. */
  readonly #pages: (Page | undefined)[] = [];
  readonly #counters: (readonly Told[])[] = [];
  readonly #offsets: Uint32Array;
  readonly #hashes: Uint32Array;
  readonly #told_ms: Float64Array;
  /** Records whose names have the same last bits: the newest of each, and of each record the one before; 0 for none. */
  readonly #heads: Float64Array;
  readonly #before: Float64Array;
  #page: Page = { bytes: Buffer.alloc(0), used: 0, records: 0 };
  /** Numbers count from 1: the oldest record that is kept, and the next to come. */
  #oldest = 1;
  #next = 1;

  constructor(most: number, age_ms: number) {
    this.#most = most;
    this.#age_ms = age_ms;
    this.#offsets = new Uint32Array(most);
    this.#hashes = new Uint32Array(most);
    this.#told_ms = new Float64Array(most);
    this.#before = new Float64Array(most);
    this.#heads = new Float64Array(2 ** Math.ceil(Math.log2(most + 1)));
  }

  /** As the newest, in place of any other of that organisation and id. */
  put(message: Message, counters: readonly Told[], now_ms: number): void {
    const { organization, id } = message;
    const known = this.#find(organization, id);
    if (known !== 0) this.#drop(known);
    while (this.#next - this.#oldest >= this.#most) this.#forget();
    while (this.#oldest < this.#next && now_ms - this.#at(this.#told_ms, this.#oldest) >= this.#age_ms) this.#forget();
    const page = this.#pageFor(bytesOf(message));
    const number = this.#next++;
    const place = number % this.#most;
    const hash = hashOf(organization, id);
    const head = hash & (this.#heads.length - 1);
    this.#pages[place] = page;
    this.#counters[place] = counters;
    this.#offsets[place] = page.used;
    this.#hashes[place] = hash;
    this.#told_ms[place] = now_ms;
    this.#before[place] = this.#heads[head] ?? 0;
    this.#heads[head] = number;
    page.used = write(page.bytes, page.used, message);
    page.records += 1;
  }

  get(organization: string, id: string): Acknowledged | undefined {
    const number = this.#find(organization, id);
    const message = number === 0 ? undefined : this.#message(number);
    return message && { message, counters: this.#counters[number % this.#most] ?? none };
  }

  /** Those of an organisation, oldest first. */
  of(organization: string): Acknowledged[] {
    const all: Acknowledged[] = [];
    for (let number = this.#oldest; number < this.#next; number += 1) {
      const message = this.#message(number);
      if (message?.organization === organization) {
        all.push({ message, counters: this.#counters[number % this.#most] ?? none });
      }
    }
    return all;
  }

  #find(organization: string, id: string): number {
    const hash = hashOf(organization, id);
    let number = this.#heads[hash & (this.#heads.length - 1)] ?? 0;
    while (number >= this.#oldest) {
      if (this.#at(this.#hashes, number) === hash) {
        const message = this.#message(number);
        if (message?.id === id && message.organization === organization) return number;
      }
      number = this.#at(this.#before, number);
    }
    return 0;
  }

  #message(number: number): Message | undefined {
    const page = this.#pages[number % this.#most];
    return page && messageAt(page.bytes, this.#at(this.#offsets, number));
  }

  /** The record is no longer there; its number stays until it is the oldest. */
  #drop(number: number): void {
    const place = number % this.#most;
    const page = this.#pages[place];
    if (page === undefined) return;
    this.#pages[place] = undefined;
    this.#counters[place] = none;
    page.records -= 1;
    // Nothing of it counts any more: it is written from the start again.
    if (page.records === 0) page.used = 0;
  }

  #forget(): void {
    this.#drop(this.#oldest);
    this.#oldest += 1;
  }

  #pageFor(bytes: number): Page {
    if (this.#page.used + bytes > this.#page.bytes.length) {
      this.#page = { bytes: Buffer.allocUnsafeSlow(Math.max(page_bytes, bytes)), used: 0, records: 0 };
    }
    return this.#page;
  }

  #at(list: Uint32Array | Float64Array, number: number): number {
    return list[number % this.#most] ?? 0;
  }
}

function hashOf(organization: string, id: string): number {
  return fnv(fnv(fnv(0x811c9dc5, organization), ' '), id) >>> 0;
}
