import type { Rate } from '../ledger.ts';

/** A sliding window as slots in a ring. See `slotting` for what it promises. */
export class Ring {
  readonly key: string;
  readonly unit: Exclude<Rate['unit'], 'concurrent'>;
  readonly slot_ms: number;
  readonly slots: Float64Array;
  /** The limit last asked for; `amend` goes by it. */
  limit = 0;
  used = 0;
  /** Newest slot, counted from the epoch. */
  head = 0;
  rate: Rate | undefined;
  mark = 0;
  dropped = false;

  constructor(key: string, unit: Ring['unit'], slot_ms: number, count: number) {
    this.key = key;
    this.unit = unit;
    this.slot_ms = slot_ms;
    this.slots = new Float64Array(count);
  }

  /** Lets go of what is over. A clock that went back changes nothing. */
  advance(now_ms: number): void {
    const slot = Math.floor(now_ms / this.slot_ms);
    if (slot <= this.head) return;
    const count = this.slots.length;
    if (slot - this.head >= count) {
      this.slots.fill(0);
      this.used = 0;
    } else {
      for (let at = this.head + 1; at <= slot; at++) {
        const place = at % count;
        this.used -= this.slots[place] ?? 0;
        this.slots[place] = 0;
      }
    }
    this.head = slot;
  }

  holds(slot: number): boolean {
    return slot > this.head - this.slots.length && slot <= this.head;
  }

  /** Adds to a slot that still counts; takes no more from it than is there. */
  add(slot: number, amount: number): void {
    const place = slot % this.slots.length;
    const before = this.slots[place] ?? 0;
    const after = Math.max(0, before + amount);
    this.slots[place] = after;
    this.used += after - before;
  }

  /** Milliseconds until nothing of what is counted now counts any more. Call after `advance`. */
  reset_ms(now_ms: number): number {
    if (this.used === 0) return 0;
    for (let age = 0; age < this.slots.length; age++) {
      if ((this.slots[(this.head - age) % this.slots.length] ?? 0) > 0) return this.#gone(this.head - age) - now_ms;
    }
    return 0;
  }

  /** Milliseconds until `excess` has gone; the whole window where it never will. Call after `advance`. */
  retry_ms(now_ms: number, excess: number): number {
    const count = this.slots.length;
    let freed = 0;
    for (let slot = this.head - count + 1; slot <= this.head; slot++) {
      if (slot >= 0) freed += this.slots[slot % count] ?? 0;
      if (freed >= excess) return this.#gone(slot) - now_ms;
    }
    return (count - 1) * this.slot_ms;
  }

  #gone(slot: number): number {
    return (slot + this.slots.length) * this.slot_ms;
  }
}
