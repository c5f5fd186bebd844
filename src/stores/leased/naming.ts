import type { Need } from './admission.ts';
import type { Books } from './books.ts';
import { looked_max, Round } from './round.ts';
import { type Slice, stir } from './slices.ts';

/** Slices in one trade: together they keep Redis from everyone else for some milliseconds. */
const slices_max = 50;

/** How many of those who wait one trade has room for; at least one. */
export function fitting(waiters: readonly { needs(): Need[] }[]): number {
  if (waiters.length <= slices_max) return waiters.length;
  const slices = new Set<unknown>();
  for (const [at, waiter] of waiters.entries()) {
    if (slices.size >= slices_max) return at;
    for (const { slice } of waiter.needs()) slices.add(slice);
  }
  return waiters.length;
}

export interface Naming {
  /** Every slice that has anything is to be named. */
  readonly all: boolean;
  readonly idle: (slice: Slice) => boolean;
}

/** Chooses the slices that a trade names. Of very many it looks at a part with each trade, and at all of those it is told of. */
export class Namer {
  readonly #slices: ReadonlyMap<string, Slice>;
  readonly #news: Slice[];
  readonly #idle: Round<Slice>;
  readonly #others: Round<Slice>;

  constructor({ slices, news }: Pick<Books, 'slices' | 'news'>) {
    this.#slices = slices;
    this.#news = news;
    this.#idle = new Round(slices);
    this.#others = new Round(slices);
  }

  /**
   * Those somebody waits for, and of the others as many as there is room for: what is to be told or given back first, then
   * one after the other. `more`: some of what is to be told is left for another trade at once.
   */
  naming(
    asked: ReadonlyMap<Slice, unknown>,
    { all, idle }: Naming,
  ): { readonly named: readonly Slice[]; readonly more: boolean } {
    if (all || this.#slices.size <= slices_max) {
      this.#news.length = 0;
      const named = [...this.#slices.values()].filter((one) => asked.has(one) || one.dirty || one.free + one.held > 0);
      return { named, more: false };
    }
    for (const one of this.#idle.next(looked_max)) if (one.free > 0 && idle(one)) stir(one);
    const urgent = this.#news.filter((one) => one.dirty && !asked.has(one));
    const left = urgent.splice(slices_max);
    this.#news.splice(0, this.#news.length, ...left);
    return { named: [...asked.keys(), ...urgent, ...this.#fill(asked, urgent)], more: left.length > 0 };
  }

  /** Others that have something free, as many as there is room for. */
  #fill(asked: ReadonlyMap<Slice, unknown>, urgent: readonly Slice[]): Slice[] {
    const others: Slice[] = [];
    const room = slices_max - urgent.length;
    if (room === 0) return others;
    for (const one of this.#others.next(looked_max)) {
      if (one.free === 0 || one.dirty || asked.has(one)) continue;
      others.push(one);
      if (others.length === room) break;
    }
    return others;
  }
}
