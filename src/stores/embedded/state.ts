import type { Amount, Budget, Rate } from '../ledger.ts';
import type { Ring } from './ring.ts';

/** One budget's window, as it is counted. */
export interface Counter {
  readonly key: string;
  readonly unit: Budget['unit'];
  readonly end_ms: number;
  /** When it may be forgotten; infinity for `total`. */
  readonly keep_until_ms: number;
  /** The limit last asked for, and whether it refused; `amend` and people go by it. */
  limit: number;
  hard: boolean;
  spent: number;
  held: number;
  requests: number;
  tokens: number;
  /** As it was last asked for; unknown after a restart. */
  budget: Budget | undefined;
  /** Number in the journal's current segment; 0 where it was not named there yet. */
  mark: number;
  /** Taken out of the organisation's table: whoever still knows it must look again. */
  dropped: boolean;
}

/** Calls at once. */
export interface Seats {
  readonly key: string;
  limit: number;
  taken: number;
  rate: Rate | undefined;
  mark: number;
  dropped: boolean;
}

/** What a hold has in a sliding window, and where. */
export interface RingShare {
  readonly ring: Ring;
  slot: number;
  amount: number;
}

/** A reservation: open until it is settled or released, provisional where the reaper settled it. */
export interface Hold {
  readonly id: string;
  readonly owner: string;
  nusd: number;
  tokens: number;
  expires_ms: number;
  provisional: boolean;
  readonly counters: Counter[];
  readonly rings: RingShare[];
  readonly seats: Seats[];
}

/** What an operation adds to a hold. */
export interface Joining {
  readonly counters: readonly Counter[];
  readonly rings: readonly Ring[];
  readonly seats: readonly Seats[];
}

export function amountIn(unit: Budget['unit'], amount: Amount): number {
  return unit === 'nusd' ? amount.nusd : unit === 'tokens' ? amount.tokens : 1;
}

/** Sums saturate where they stop being exact: such a counter is above every limit and stays there. */
function sum(a: number, b: number): number {
  return Math.min(Number.MAX_SAFE_INTEGER, Math.max(0, a + b));
}

export function openHold(hold: Hold, joining: Joining, now_ms: number): void {
  for (const counter of joining.counters) {
    counter.held = sum(counter.held, amountIn(counter.unit, hold));
    hold.counters.push(counter);
  }
  for (const ring of joining.rings) {
    ring.advance(now_ms);
    const amount = ring.unit === 'tokens' ? hold.tokens : 1;
    ring.add(ring.head, amount);
    hold.rings.push({ ring, slot: ring.head, amount });
  }
  for (const seats of joining.seats) {
    seats.taken++;
    hold.seats.push(seats);
  }
}

/** A new worst case, absolute; what joins is held in full. */
export function widenHold(hold: Hold, amount: Amount, expires_ms: number, joining: Joining, now_ms: number): void {
  for (const counter of hold.counters) {
    counter.held = sum(counter.held, amountIn(counter.unit, amount) - amountIn(counter.unit, hold));
  }
  for (const share of hold.rings)
    if (share.ring.unit === 'tokens') moveShare(share, amount.tokens - hold.tokens, now_ms);
  hold.nusd = amount.nusd;
  hold.tokens = amount.tokens;
  hold.expires_ms = expires_ms;
  openHold(hold, joining, now_ms);
}

/** The whole share counts from now on; what had slid out of the window does not come back. */
function moveShare(share: RingShare, delta: number, now_ms: number): void {
  const { ring } = share;
  ring.advance(now_ms);
  const live = ring.holds(share.slot);
  if (delta === 0 && live) return;
  const before = live ? share.amount : 0;
  if (live) ring.add(share.slot, -before);
  share.slot = ring.head;
  share.amount = Math.max(0, before + delta);
  ring.add(share.slot, share.amount);
}

/** Replaces the hold, or the reaper's estimate, by what the call cost. Returns nothing held. */
export function spendHold(hold: Hold, amount: Amount, provisional: boolean, now_ms: number): void {
  for (const counter of hold.counters) {
    const before = amountIn(counter.unit, hold);
    if (hold.provisional) {
      counter.spent = sum(counter.spent, amountIn(counter.unit, amount) - before);
      counter.tokens = sum(counter.tokens, amount.tokens - hold.tokens);
    } else {
      counter.held = sum(counter.held, -before);
      counter.spent = sum(counter.spent, amountIn(counter.unit, amount));
      counter.tokens = sum(counter.tokens, amount.tokens);
      counter.requests++;
    }
  }
  for (const share of hold.rings) correctShare(share, amount.tokens - hold.tokens, now_ms);
  if (!hold.provisional) for (const seats of hold.seats) seats.taken--;
  hold.nusd = amount.nusd;
  hold.tokens = amount.tokens;
  hold.provisional = provisional;
}

function correctShare(share: RingShare, delta: number, now_ms: number): void {
  const { ring } = share;
  if (ring.unit === 'requests' || delta === 0) return;
  ring.advance(now_ms);
  if (ring.holds(share.slot)) {
    const after = Math.max(0, share.amount + delta);
    ring.add(share.slot, after - share.amount);
    share.amount = after;
  } else if (delta > 0) {
    share.slot = ring.head;
    share.amount = delta;
    ring.add(share.slot, delta);
  }
}

/** As if it had never been: the request and its rates come back as well. */
export function undoHold(hold: Hold, now_ms: number): void {
  for (const counter of hold.counters) {
    const before = amountIn(counter.unit, hold);
    if (hold.provisional) {
      counter.spent = sum(counter.spent, -before);
      counter.tokens = sum(counter.tokens, -hold.tokens);
      counter.requests--;
    } else {
      counter.held = sum(counter.held, -before);
    }
  }
  for (const { ring, slot, amount } of hold.rings) {
    ring.advance(now_ms);
    if (ring.holds(slot)) ring.add(slot, -amount);
  }
  if (!hold.provisional) for (const seats of hold.seats) seats.taken--;
}

/** An owner thought dead renews: the estimate is held again instead of spent. */
export function reviveHold(hold: Hold): void {
  for (const counter of hold.counters) {
    const amount = amountIn(counter.unit, hold);
    counter.spent = sum(counter.spent, -amount);
    counter.tokens = sum(counter.tokens, -hold.tokens);
    counter.requests--;
    counter.held = sum(counter.held, amount);
  }
  for (const seats of hold.seats) seats.taken++;
  hold.provisional = false;
}
