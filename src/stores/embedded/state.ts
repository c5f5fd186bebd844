import type { Amount, Budget, Labels, Rate, ReserveRequest } from '../ledger.ts';
import { sizeIn } from '../rate-key.ts';
import { amountIn, clear, correct, count, counts, sum, type Tally, takeBack } from '../tally.ts';
import type { Ring } from './ring.ts';

/** One budget's window, as it is counted. */
export interface Counter extends Tally {
  readonly key: string;
  readonly end_ms: number;
  /** When it may be forgotten; infinity for `total`. */
  readonly keep_until_ms: number;
  /** Since when this process's clock says that it may be forgotten; infinity while it does not. */
  old_since_ms: number;
  /** The limit last asked for, and whether it refused; `amend` and people go by it. */
  limit: number;
  hard: boolean;
  held: number;
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
  input: number;
  expires_ms: number;
  provisional: boolean;
  /** When the reaper settled it. */
  at_ms: number;
  /** Counters that were set to zero since. */
  forgiven: Counter[] | undefined;
  readonly labels: Labels | undefined;
  readonly counters: Counter[];
  readonly rings: RingShare[];
  readonly seats: Seats[];
}

/** Of nothing yet. */
export function newHold(
  asked: Pick<ReserveRequest, 'id' | 'owner' | 'amount' | 'labels'>,
  expires_ms: number,
  counters: Counter[] = [],
  rings: RingShare[] = [],
  seats: Seats[] = [],
): Hold {
  const { id, owner, amount, labels } = asked;
  return {
    id,
    owner,
    nusd: amount.nusd,
    tokens: amount.tokens,
    input: amount.input ?? 0,
    expires_ms,
    provisional: false,
    at_ms: 0,
    forgiven: undefined,
    labels,
    counters,
    rings,
    seats,
  };
}

/** What an operation adds to a hold. */
export interface Joining {
  readonly counters: readonly Counter[];
  readonly rings: readonly Ring[];
  readonly seats: readonly Seats[];
}

/** A new hold over all of these: the lists of counters and seats become its own. */
export function holdOver(
  asked: ReserveRequest,
  { counters, rings, seats }: { counters: Counter[]; rings: Ring[]; seats: Seats[] },
  expires_ms: number,
  now_ms: number,
): Hold {
  const hold = newHold(asked, expires_ms, counters, new Array<RingShare>(rings.length), seats);
  for (const counter of counters) holdIn(counter, hold);
  let place = 0;
  for (const ring of rings) hold.rings[place++] = shareIn(ring, hold, now_ms);
  for (const one of seats) one.taken++;
  return hold;
}

export function openHold(hold: Hold, joining: Joining, now_ms: number): void {
  for (const counter of joining.counters) {
    holdIn(counter, hold);
    hold.counters.push(counter);
  }
  for (const ring of joining.rings) hold.rings.push(shareIn(ring, hold, now_ms));
  for (const seats of joining.seats) {
    seats.taken++;
    hold.seats.push(seats);
  }
}

function holdIn(counter: Counter, hold: Hold): void {
  counter.held = sum(counter.held, amountIn(counter.unit, hold));
}

function shareIn(ring: Ring, hold: Hold, now_ms: number): RingShare {
  ring.advance(now_ms);
  const amount = sizeIn(ring.unit, hold);
  ring.add(ring.head, amount);
  return { ring, slot: ring.head, amount };
}

/** A new worst case, absolute; what joins is held in full. */
export function widenHold(hold: Hold, amount: Amount, expires_ms: number, joining: Joining, now_ms: number): void {
  for (const counter of hold.counters) {
    counter.held = sum(counter.held, amountIn(counter.unit, amount) - amountIn(counter.unit, hold));
  }
  for (const share of hold.rings) moveShare(share, differenceIn(share.ring, amount, hold), now_ms);
  size(hold, amount);
  hold.expires_ms = expires_ms;
  openHold(hold, joining, now_ms);
}

function differenceIn({ unit }: Ring, amount: Amount, hold: Hold): number {
  return sizeIn(unit, amount) - sizeIn(unit, hold);
}

function size(hold: Hold, amount: Amount): void {
  hold.nusd = amount.nusd;
  hold.tokens = amount.tokens;
  hold.input = amount.input ?? 0;
}

/** The whole share counts from now on; what had slid out of the window does not come back. */
function moveShare(share: RingShare, delta: number, now_ms: number): void {
  const { ring } = share;
  if (ring.unit === 'requests') return;
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
    if (hold.provisional) {
      correct(counter, amount, hold, isForgiven(hold, counter), now_ms);
    } else {
      counter.held = sum(counter.held, -amountIn(counter.unit, hold));
      count(counter, amountIn(counter.unit, amount), amount.tokens, 1, now_ms);
    }
  }
  for (const share of hold.rings) correctShare(share, differenceIn(share.ring, amount, hold), now_ms);
  if (!hold.provisional) for (const seats of hold.seats) seats.taken--;
  size(hold, amount);
  hold.provisional = provisional;
  hold.at_ms = now_ms;
}

/** Whether the reaper's estimate does not count there any more. */
export function isForgiven(hold: Hold, counter: Counter): boolean {
  return hold.forgiven?.includes(counter) === true || !counts(counter, hold.at_ms);
}

/** Nothing is spent any more; an estimate of before is not to be taken back later. */
export function resetCounter(counter: Counter, holds: Iterable<Hold>): void {
  clear(counter);
  for (const hold of holds) {
    if (hold.provisional && hold.counters.includes(counter)) hold.forgiven = [...(hold.forgiven ?? []), counter];
  }
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
    if (hold.provisional) takeBack(counter, hold, isForgiven(hold, counter));
    else counter.held = sum(counter.held, -amountIn(counter.unit, hold));
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
    takeBack(counter, hold, isForgiven(hold, counter));
    counter.held = sum(counter.held, amountIn(counter.unit, hold));
  }
  for (const seats of hold.seats) seats.taken++;
  hold.provisional = false;
  hold.forgiven = undefined;
}
