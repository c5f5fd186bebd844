import { Overdue } from '../embedded/overdue.ts';
import type { Budget, BudgetState, Rate, RateState } from '../ledger.ts';
import { LiveMap } from '../live-map.ts';
import { rateKey, slotting } from '../rate-key.ts';
import { RecentIds } from '../recent-ids.ts';
import { kept_ms, windowKey } from '../window-key.ts';
import { looked_max, Round } from './round.ts';
import { type LocalHold, type RateSlice, type SeatsSlice, type Slice, stir } from './slices.ts';
import { Standing } from './standing.ts';
import { Untold } from './untold.ts';

const settled_max = 32_768;
/** Counters of each kind that nothing is held of are let go beyond so many: those nobody asked about for longest. */
const idle_max = 10_000;
/** From so many on idle ones are let go. */
const crowd_min = idle_max + (idle_max >> 2);
/** Where most were in use, it is looked for idle ones again after so long. */
const crowded_ms = 1_000;
/** A share that was taken lately is not forgotten with its counter. */
const shared_kept_ms = 60_000;

/** All this process knows of one organisation: its slices, and what calls hold of them. */
export class Books {
  readonly id: string;
  readonly slices = new Map<string, Slice>();
  readonly rates = new Map<string, RateSlice>();
  readonly seats = new Map<string, SeatsSlice>();
  readonly holds = new LiveMap<LocalHold>();
  readonly settled = new RecentIds(settled_max);
  readonly untold = new Untold();
  readonly standing = new Standing();
  /** Estimates that nobody will replace any more, as far as the clock tells. */
  readonly late = new Overdue();
  /** Estimates that are to be held again, until the shared ledger said whether they are. */
  readonly renewing = new Map<string, Promise<void>>();
  /** The same of an earlier process: the numbers of their items, and the counters in which they counted on it. */
  readonly unheard = new Map<string, { readonly number: number; readonly keys: ReadonlySet<string> }>();
  /** Number of the newest item. */
  items = 0;
  /** Monotonic ms until which what was taken is ours. */
  lease_until_ms = Number.NEGATIVE_INFINITY;
  mark = 0;
  left = false;
  /** A trade is under way: what it names may be granted something yet. */
  trading = false;
  /** Slices that are to be told of, and windows that calls drew from, since the last trade. */
  readonly news: Slice[] = [];
  readonly drawn: RateSlice[] = [];
  readonly #ended = new Round(this.slices);
  /** Monotonic ms: until then it is not looked for idle ones again, as there were few. */
  #crowded_until_ms = Number.NEGATIVE_INFINITY;
  readonly #ofBudget = new WeakMap<Budget, Slice>();
  readonly #ofRate = new WeakMap<Rate, RateSlice | SeatsSlice>();

  constructor(id: string) {
    this.id = id;
  }

  /** The slice of a budget in the window of a moment of the ledger's clock, made empty where missing. */
  slice(budget: Budget, now_ms: number): Slice {
    const known = this.#ofBudget.get(budget);
    if (known !== undefined && !known.dropped) {
      if (known.end_ms === 0 || (now_ms < known.end_ms && now_ms >= known.start_ms)) {
        known.touched = true;
        return known;
      }
    }
    const { key, start_ms, end_ms } = windowKey(budget, now_ms);
    const expires_ms = budget.window === 'total' || end_ms === 0 ? 0 : end_ms + kept_ms[budget.window];
    const slice = this.slices.get(key) ?? this.addSlice({ key, budget, start_ms, end_ms, expires_ms });
    slice.touched = true;
    this.#ofBudget.set(budget, slice);
    return slice;
  }

  addSlice(of: Pick<Slice, 'key' | 'budget' | 'start_ms' | 'end_ms' | 'expires_ms'>): Slice {
    const slice: Slice = {
      ...of,
      organization: this.id,
      unit: of.budget.unit,
      limit: 0,
      free: 0,
      held: 0,
      spent: 0,
      total: 0,
      empty_at_ms: 0,
      resets: 0,
      heard: 0,
      later_spent: 0,
      later_used: 0,
      until_ms: Number.NEGATIVE_INFINITY,
      told_ms: Number.NEGATIVE_INFINITY,
      told_at_ms: 0,
      used_ms: Number.NEGATIVE_INFINITY,
      drawn: 0,
      pace: 0,
      dirty: false,
      news: this.news,
      wanted: false,
      head: undefined,
      mark: 0,
      touched: true,
      dropped: false,
      shared_ms: Number.NEGATIVE_INFINITY,
    };
    this.slices.set(of.key, slice);
    return slice;
  }

  /** The slice of a sliding window, or of seats. */
  rate(rate: Rate): RateSlice | SeatsSlice {
    const known = this.#ofRate.get(rate);
    if (known !== undefined && !known.dropped) {
      known.touched = true;
      return known;
    }
    const key = rateKey(rate);
    const found = rate.unit === 'concurrent' ? this.seatsOf(key, rate) : this.#window(key, rate);
    found.touched = true;
    this.#ofRate.set(rate, found);
    return found;
  }

  seatsOf(key: string, rate: Rate): SeatsSlice {
    let seats = this.seats.get(key);
    if (seats === undefined) {
      const never = Number.NEGATIVE_INFINITY;
      seats = {
        key,
        rate,
        granted: 0,
        taken: 0,
        others: 0,
        wanted: false,
        until_ms: never,
        told_ms: never,
        used_ms: never,
        dirty: false,
        touched: true,
        dropped: false,
      };
      this.seats.set(key, seats);
    }
    return seats;
  }

  #window(key: string, rate: Rate): RateSlice {
    let slice = this.rates.get(key);
    if (slice === undefined) {
      const never = Number.NEGATIVE_INFINITY;
      const figures = { slot: 0, free: 0, used: 0, reset_ms: 0, fades: [], least: 0, drawn: 0, pace: 0 };
      const told = { key, rate, ...figures, until_ms: never, told_ms: never, least_ms: never };
      slice = { ...told, dirty: false, news: this.drawn, touched: true, dropped: false, shared_ms: never };
      this.rates.set(key, slice);
    }
    return slice;
  }

  /** No call will come any more: what none holds goes back with the next trade, and nothing is taken ahead. */
  leave(): void {
    this.left = true;
    for (const slice of this.slices.values()) if (slice.free > 0) stir(slice);
  }

  #evict(clock_ms: number): void {
    if (!this.#crowded || clock_ms < this.#crowded_until_ms) return;
    const held = new Set<unknown>();
    for (const { slices, parts, seats } of this.holds.values()) {
      for (const slice of slices) held.add(slice);
      for (const { slice } of parts) held.add(slice);
      for (const one of seats) held.add(one);
    }
    const shared = (one: Slice | RateSlice, kept_ms: number) => clock_ms - one.shared_ms < kept_ms;
    letGo(this.slices, (one) => {
      return one.free + one.held === 0 && !one.dirty && !held.has(one) && !shared(one, shared_kept_ms);
    });
    letGo(this.rates, (one) => one.free === 0 && !held.has(one) && !shared(one, one.rate.window_ms));
    letGo(this.seats, (one) => one.granted + one.taken === 0 && !one.dirty && !held.has(one));
    if (this.#crowded) this.#crowded_until_ms = clock_ms + crowded_ms;
  }

  get #crowded(): boolean {
    return Math.max(this.slices.size, this.rates.size, this.seats.size) > crowd_min;
  }

  /**
   * Lets go of slices of windows that are over and of which nothing is left, and of what is idle where there is much of
   * it. `clock_ms` is monotonic.
   */
  prune(now_ms: number, clock_ms: number): void {
    // What a trade names that is under way may have to be told again.
    if (this.trading) return;
    this.#evict(clock_ms);
    let wanted: Set<Slice> | undefined;
    for (const slice of this.#ended.next(looked_max)) {
      if (slice.end_ms === 0 || now_ms < slice.end_ms || slice.free + slice.held > 0 || slice.dirty) continue;
      // An estimate is remembered for days: it keeps its own slices, and no others.
      wanted ??= new Set([...this.holds.values()].flatMap(({ slices }) => slices));
      if (wanted.has(slice)) continue;
      this.slices.delete(slice.key);
      slice.dropped = true;
    }
  }
}

/** Deletes from the front what is idle, and keeps what was looked up since the last time: at its next turn it is not. */
function letGo<T extends { key: string; touched: boolean; dropped: boolean }>(
  table: Map<string, T>,
  idle: (one: T) => boolean,
): void {
  const all = table.size > crowd_min ? [...table.values()] : [];
  for (const one of all) {
    if (table.size <= idle_max) return;
    table.delete(one.key);
    one.dropped = !one.touched && idle(one);
    if (!one.dropped) table.set(one.key, one);
    one.touched = false;
  }
}

export function isSeats(slice: RateSlice | SeatsSlice): slice is SeatsSlice {
  return 'taken' in slice;
}

/**
 * A budget as it was told last, and moved along by what happened here since. What this process has taken and no call of it
 * holds is left to its calls, so from here it is not held; what others have taken is.
 */
export function budgetState(budget: Budget, slice: Slice): BudgetState {
  const { limit, spent, total, free, end_ms, empty_at_ms, told_ms } = slice;
  const standing = budget.limit === slice.budget.limit && told_ms > Number.NEGATIVE_INFINITY ? limit : budget.limit;
  return { budget, limit: standing, spent, held: total - free, resets_at_ms: end_ms || empty_at_ms };
}

/** A rate as it was told last, at a moment of the monotonic clock. */
export function rateState(rate: Rate, slice: RateSlice | SeatsSlice, now_ms: number): RateState {
  const used = isSeats(slice) ? slice.others + slice.taken : Math.max(0, slice.used - slice.free);
  const reset_ms = isSeats(slice) ? 0 : Math.max(0, slice.reset_ms - (now_ms - slice.told_ms));
  return { rate, used, remaining: Math.max(0, rate.limit - used), reset_ms };
}

/** How a rate's window is cut. */
export function slotsOf(rate: Rate): { readonly slot_ms: number; readonly count: number } {
  return slotting(Math.max(1, rate.window_ms));
}
