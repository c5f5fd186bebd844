const room_first = 64;
/** Of an id's letters, as many from its end as tell ids apart that are made with chance or by counting. */
const hashed_max = 16;
const free = 0;
const gone = -1;

/**
 * What is there for the time of a call and then gone, by its id: a Map in the order things came, for ever other ids. A Map makes
 * itself anew every few dozen of them and leaves its old tables behind, and what those name is copied by the garbage collector, and
 * kept until its next full collection, though it was let go long ago. Here places are used again, and one that is let go names
 * nothing.
 */
export class LiveMap<T> {
  size = 0;
  /** In the order they came, with gaps where some are gone: by number, of which `#next` is the next. */
  #ids: (string | undefined)[] = emptied(room_first);
  #values: (T | undefined)[] = emptied(room_first);
  #hashes = new Int32Array(room_first);
  /** A table of open addressing: 1 more than a number, `gone` or `free`. Never more than half full. */
  #places = new Int32Array(room_first * 2);
  #next = 0;

  get(id: string): T | undefined {
    const at = this.#find(id, hashOf(id));
    return at < 0 ? undefined : this.#values[(this.#places[at] ?? 0) - 1];
  }

  has(id: string): boolean {
    return this.#find(id, hashOf(id)) >= 0;
  }

  set(id: string, value: T): this {
    const hash = hashOf(id);
    const at = this.#find(id, hash);
    if (at >= 0) {
      this.#values[(this.#places[at] ?? 0) - 1] = value;
      return this;
    }
    if (this.#next === this.#hashes.length) this.#makeRoom();
    const number = this.#next++;
    this.#ids[number] = id;
    this.#values[number] = value;
    this.#hashes[number] = hash;
    this.#place(number, hash);
    this.size += 1;
    return this;
  }

  /** Whether it was there. */
  delete(id: string): boolean {
    const at = this.#find(id, hashOf(id));
    if (at < 0) return false;
    const number = (this.#places[at] ?? 0) - 1;
    this.#places[at] = gone;
    this.#ids[number] = undefined;
    this.#values[number] = undefined;
    this.size -= 1;
    return true;
  }

  /** All that is there now, in the order it came; a list of its own. */
  values(): T[] {
    const all: T[] = [];
    for (let number = 0; number < this.#next; number += 1) {
      if (this.#ids[number] !== undefined) all.push(this.#values[number] as T);
    }
    return all;
  }

  /** What came first of all that is there. */
  oldest(): T | undefined {
    for (let number = 0; number < this.#next; number += 1) {
      if (this.#ids[number] !== undefined) return this.#values[number];
    }
    return undefined;
  }

  /** Where it stands in the table; negative where it does not. */
  #find(id: string, hash: number): number {
    const places = this.#places;
    const mask = places.length - 1;
    for (let at = hash & mask; ; at = (at + 1) & mask) {
      const place = places[at] ?? free;
      if (place === free) return -1;
      if (place !== gone && this.#hashes[place - 1] === hash && this.#ids[place - 1] === id) return at;
    }
  }

  #place(number: number, hash: number): void {
    const places = this.#places;
    const mask = places.length - 1;
    let at = hash & mask;
    while ((places[at] ?? free) > free) at = (at + 1) & mask;
    places[at] = number + 1;
  }

  /** Closes the gaps; where there are few, there is twice the room afterwards. */
  #makeRoom(): void {
    const room = this.#hashes.length;
    let next = 0;
    for (let number = 0; number < room; number += 1) {
      const id = this.#ids[number];
      if (id === undefined) continue;
      this.#ids[next] = id;
      this.#values[next] = this.#values[number];
      this.#hashes[next] = this.#hashes[number] ?? 0;
      next += 1;
    }
    this.#next = next;
    if (next > room / 2) {
      const hashes = new Int32Array(room * 2);
      hashes.set(this.#hashes);
      this.#hashes = hashes;
      this.#places = new Int32Array(room * 4);
      this.#ids = this.#ids.concat(emptied(room));
      this.#values = this.#values.concat(emptied(room));
    } else this.#places.fill(free);
    this.#ids.fill(undefined, next);
    this.#values.fill(undefined, next);
    for (let number = 0; number < next; number += 1) this.#place(number, this.#hashes[number] ?? 0);
  }
}

function emptied(room: number): undefined[] {
  return new Array<undefined>(room).fill(undefined);
}

function hashOf(id: string): number {
  let hash = id.length;
  for (let at = Math.max(0, id.length - hashed_max); at < id.length; at += 1) {
    hash = Math.imul(hash ^ id.charCodeAt(at), 0x01000193);
  }
  return hash ^ (hash >>> 15);
}
