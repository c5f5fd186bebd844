import { randomBytes } from 'node:crypto';
import { fnv } from './fnv.ts';
import { putLetters } from './letters.ts';
import { Lines } from './lines.ts';

/** Ids a block has room for at first. */
const room_first = 64;
/** Bytes of room for an id, at first. */
const id_bytes = 32;
const space = 0x20;
/** Of every process another: ids that meet in one place do so in no other. */
const seed = randomBytes(4).readInt32LE();

/**
 * Ids of the recent past: the last `kept` that were added, at most twice as many. They are bytes outside the heap: as
 * strings in a `Set` the garbage collector would copy each of them twice and look at all of them again and again.
 */
export class RecentIds {
  readonly #kept: number;
  #now = new Block();
  #before = new Block();

  constructor(kept: number) {
    this.#kept = kept;
  }

  add(id: string): void {
    const hash = hashOf(id);
    if (this.#now.has(id, hash)) return;
    this.#now.add(id, hash);
    if (this.#now.added < this.#kept) return;
    const oldest = this.#before;
    oldest.clear();
    this.#before = this.#now;
    this.#now = oldest;
  }

  delete(id: string): void {
    const hash = hashOf(id);
    this.#now.delete(id, hash);
    this.#before.delete(id, hash);
  }

  has(id: string): boolean {
    const hash = hashOf(id);
    return this.#now.has(id, hash) || this.#before.has(id, hash);
  }

  /** All of them, each once, oldest first. */
  all(): string[] {
    return [...this.lists(1)];
  }

  /** The same in texts of at most so many, with spaces between; none of them is made a text by itself. */
  *lists(most: number): Generator<string> {
    const text = new Lines();
    let count = 0;
    for (const block of [this.#before, this.#now]) {
      for (let number = 1; number <= block.added; number += 1) {
        if (!block.counts(number) || (block !== this.#now && this.#now.hasOf(block, number))) continue;
        if (count > 0) text.byte(space);
        block.put(number, text);
        count += 1;
        if (count < most) continue;
        yield text.bytes.toString('latin1', 0, text.size);
        text.clear();
        count = 0;
      }
    }
    if (count > 0) yield text.bytes.toString('latin1', 0, text.size);
    for (const id of this.#before.wide) if (!this.#now.wide.has(id)) yield id;
    yield* this.#now.wide;
  }
}

function hashOf(id: string): number {
  const hash = fnv(seed, id);
  return hash ^ (hash >>> 15);
}

/** Ids by the number in which they came, from 1, and a table of open addressing that finds their numbers. */
class Block {
  /** Those that were deleted count as well. */
  added = 0;
  /**
   * Of an id's place, or the next free one: its number in as many bits as a place has, and above them those of its hash,
   * so that of other ids nothing else is looked at; 0 for none. Never more than half full.
   */
  #places = new Int32Array(room_first * 2);
  /** By number; an id that is kept elsewhere is as one that was deleted. */
  #hashes = new Int32Array(room_first + 1);
  #ends = new Uint32Array(room_first + 1);
  #deleted = new Uint8Array(room_first + 1);
  #bytes = Buffer.alloc(room_first * id_bytes);
  /** Ids with letters beyond Latin-1, which nothing here makes. */
  readonly wide = new Set<string>();

  has(id: string, hash: number): boolean {
    return this.#find(id, hash) !== 0 || (this.wide.size > 0 && this.wide.has(id));
  }

  add(id: string, hash: number): void {
    const number = ++this.added;
    if (number === this.#hashes.length) this.#grow();
    const start = this.#ends[number - 1] ?? 0;
    const end = start + id.length;
    if (end > this.#bytes.length) this.#bytes = Buffer.concat([this.#bytes], Math.max(end, this.#bytes.length * 2));
    const elsewhere = putLetters(id, this.#bytes, start) > 0xff;
    this.#deleted[number] = elsewhere ? 1 : 0;
    this.#hashes[number] = hash;
    this.#ends[number] = elsewhere ? start : end;
    if (elsewhere) this.wide.add(id);
    else this.#place(number, hash);
  }

  delete(id: string, hash: number): void {
    const number = this.#find(id, hash);
    if (number !== 0) this.#deleted[number] = 1;
    this.wide.delete(id);
  }

  clear(): void {
    this.added = 0;
    this.#places.fill(0);
    this.wide.clear();
  }

  /** Whether the id that came as this one is here as bytes. */
  counts(number: number): boolean {
    return this.#deleted[number] === 0;
  }

  /** Whether the id that came as this one to another block is here as well. */
  hasOf(other: Block, number: number): boolean {
    const hash = other.#hashes[number] ?? 0;
    return this.#hasHash(hash) && this.has(other.#text(number), hash);
  }

  #hasHash(hash: number): boolean {
    const places = this.#places;
    const mask = places.length - 1;
    for (let at = hash & mask; ; at = (at + 1) & mask) {
      const place = places[at] ?? 0;
      if (place === 0) return false;
      if (((place ^ hash) & ~mask) === 0 && this.#hashes[place & mask] === hash) return true;
    }
  }

  #text(number: number): string {
    return this.#bytes.toString('latin1', this.#ends[number - 1] ?? 0, this.#ends[number] ?? 0);
  }

  put(number: number, text: Lines): void {
    text.part(this.#bytes, this.#ends[number - 1] ?? 0, this.#ends[number] ?? 0);
  }

  #find(id: string, hash: number): number {
    const places = this.#places;
    const mask = places.length - 1;
    for (let at = hash & mask; ; at = (at + 1) & mask) {
      const place = places[at] ?? 0;
      if (place === 0) return 0;
      if (((place ^ hash) & ~mask) !== 0) continue;
      const number = place & mask;
      if (this.#hashes[number] === hash && this.#deleted[number] === 0 && this.#is(number, id)) return number;
    }
  }

  #is(number: number, id: string): boolean {
    const start = this.#ends[number - 1] ?? 0;
    if ((this.#ends[number] ?? 0) - start !== id.length) return false;
    const bytes = this.#bytes;
    for (let at = 0; at < id.length; at += 1) if (bytes[start + at] !== id.charCodeAt(at)) return false;
    return true;
  }

  #place(number: number, hash: number): void {
    const places = this.#places;
    const mask = places.length - 1;
    let at = hash & mask;
    while (places[at] !== 0) at = (at + 1) & mask;
    places[at] = (hash & ~mask) | number;
  }

  #grow(): void {
    const room = this.#hashes.length * 2 - 1;
    this.#hashes = copied(this.#hashes, new Int32Array(room));
    this.#ends = copied(this.#ends, new Uint32Array(room));
    this.#deleted = copied(this.#deleted, new Uint8Array(room));
    this.#places = new Int32Array((room - 1) * 2);
    for (let number = 1; number < this.added; number += 1) {
      if (this.#deleted[number] === 0) this.#place(number, this.#hashes[number] ?? 0);
    }
  }
}

function copied<T extends Int32Array | Uint32Array | Uint8Array>(from: T, to: T): T {
  to.set(from);
  return to;
}
