import { joinedText, labelText } from '../labels.ts';
import type { Amount, ReserveRequest, Settlement } from '../ledger.ts';
import { sizeIn } from '../rate-key.ts';
import { amountIn } from '../tally.ts';
import type { Need } from './admission.ts';
import { type Books, slotsOf } from './books.ts';
import { item } from './items.ts';
import { note, type Office } from './office.ts';
import {
  draw,
  type LocalHold,
  move,
  needed,
  type RatePart,
  type RateSlice,
  type SeatsSlice,
  type Slice,
  spend,
  stir,
} from './slices.ts';

/** A hold that holds nothing yet. */
export function newHold(
  { id, owner, labels }: ReserveRequest,
  slices: Slice[] = [],
  parts: RatePart[] = [],
  seats: SeatsSlice[] = [],
): LocalHold {
  return {
    id,
    owner,
    nusd: 0,
    tokens: 0,
    input: 0,
    expires_ms: 0,
    provisional: false,
    slices,
    parts,
    seats,
    labels: labelText(labels),
  };
}

/** A new hold over slices that cover it. */
export function open(
  office: Office,
  books: Books,
  hold: LocalHold,
  needs: readonly Need[],
  amount: Amount,
  expires_ms: number,
): void {
  take(office, hold, needs);
  books.settled.delete(hold.id);
  keep(office, books, hold, amount, expires_ms);
}

/** Remembers a new hold whose slices were drawn from, and writes it down. */
export function keep(office: Office, books: Books, hold: LocalHold, amount: Amount, expires_ms: number): void {
  set(hold, amount, expires_ms);
  books.holds.set(hold.id, hold);
  office.notes.held(books, hold);
}

/** Another amount for a hold that is no estimate, over slices that cover the difference. */
export function widen(
  office: Office,
  books: Books,
  hold: LocalHold,
  needs: readonly Need[],
  amount: Amount,
  expires_ms: number,
): void {
  take(office, hold, needs);
  change(office, books, hold, amount, expires_ms);
}

/** A hold is of this amount from now on, whose slices cover it; that is written down. */
export function change(office: Office, books: Books, hold: LocalHold, amount: Amount, expires_ms: number): void {
  set(hold, amount, expires_ms);
  office.notes.amended(books, hold);
}

const nothing = { nusd: 0, tokens: 0, input: 0 };

function set(hold: LocalHold, { nusd, tokens, input = 0 }: Amount, expires_ms: number): void {
  hold.nusd = nusd;
  hold.tokens = tokens;
  hold.input = input;
  hold.expires_ms = expires_ms;
}

/** What a hold has of slices, windows and seats. */
export type Holding = Pick<LocalHold, 'slices' | 'parts' | 'seats'>;

export function take(office: Office, hold: Holding, needs: readonly Need[]): void {
  const now_ms = office.clock();
  for (const need of needs) {
    if (need.of === 'budget') {
      draw(need.slice, need.asked, now_ms);
      if (!hold.slices.includes(need.slice)) hold.slices.push(need.slice);
    } else if (need.of === 'seats') {
      sit(need.slice, need.asked, now_ms);
      if (!hold.seats.includes(need.slice)) hold.seats.push(need.slice);
    } else if (need.asked > 0) hold.parts.push(drawWindow(need.slice, need.asked));
    else if (!hold.parts.some(({ slice }) => slice === need.slice)) hold.parts.push(emptyPart(office, need.slice));
  }
}

/** Takes seats, at a moment of the monotonic clock. */
export function sit(seats: SeatsSlice, count: number, now_ms: number): void {
  seats.taken += count;
  seats.used_ms = now_ms;
}

/** Takes a part of a sliding window. */
export function drawWindow(slice: RateSlice, amount: number): RatePart {
  slice.free -= amount;
  needed(slice);
  slice.drawn += amount;
  stir(slice);
  return { slice, slot: slice.slot, amount };
}

/** Of a window that a call holds nothing of: what it uses all the same counts there. */
export function emptyPart(office: Office, slice: RateSlice): RatePart {
  return { slice, slot: Math.floor(office.now() / slotsOf(slice.rate).slot_ms), amount: 0 };
}

/** The hold, or its estimate, becomes what the call cost. */
export function settleHold(office: Office, books: Books, hold: LocalHold, settlement: Settlement): void {
  const { amount, estimated, labels } = settlement;
  replace(office, books, hold, 's', amount, estimated, joinedText(hold.labels, labels));
  if (hold.provisional) books.standing.end(hold.id, books.items);
  books.holds.delete(hold.id);
  books.settled.add(hold.id);
}

/** What its owner abandoned is settled at the estimate, provisionally. */
export function reapHold(office: Office, books: Books, hold: LocalHold): void {
  const { nusd, tokens, input } = hold;
  replace(office, books, hold, 'p', { nusd, tokens, input }, true, hold.labels);
  hold.provisional = true;
  books.standing.begin(hold);
}

function replace(
  office: Office,
  books: Books,
  hold: LocalHold,
  kind: 's' | 'p',
  amount: Amount,
  estimated: boolean,
  labels: string,
): void {
  item.money(books, kind, hold, amount, estimated, labels);
  for (const slice of hold.slices) {
    const before = amountIn(slice.unit, hold);
    const after = amountIn(slice.unit, amount);
    item.counter(slice, hold.provisional ? respend(slice, before, after) : spend(slice, before, after));
  }
  item.end();
  note(office, books, item);
  for (const part of hold.parts) {
    const { unit } = part.slice.rate;
    if (unit === 'requests') continue;
    const before = sharesOf(hold, part);
    if (before === undefined) continue;
    const delta = sizeIn(unit, amount) - before;
    if (delta < 0) shrink(office, books, hold.parts, part.slice, -delta);
    else correct(office, books, part, delta);
  }
  if (!hold.provisional) giveSeats(hold);
}

/** The estimate is spent already: more than that is taken of what is free, and is debt beyond. Returns what is taken. */
function respend(slice: Slice, before: number, after: number): number {
  const more = Math.min(Math.max(0, after - before), slice.free);
  slice.free -= more;
  move(slice, after - before, more);
  return more;
}

/** All of a hold's shares in this part's window where it is the newest of them: that is where more is counted. */
function sharesOf(hold: LocalHold, part: RatePart): number | undefined {
  let sum = 0;
  let newest: RatePart | undefined;
  for (const one of hold.parts) {
    if (one.slice !== part.slice) continue;
    sum += one.amount;
    newest = one;
  }
  return newest === part ? sum : undefined;
}

/** Newest first, and of each part no more than it counts: a hold that grew has parts in several slots of a window. */
function shrink(office: Office, books: Books, parts: readonly RatePart[], slice: RateSlice, less: number): void {
  let rest = less;
  for (let at = parts.length - 1; rest > 0 && at >= 0; at--) {
    const part = parts[at];
    if (part?.slice !== slice) continue;
    const here = Math.min(rest, part.amount);
    correct(office, books, part, -here);
    rest -= here;
  }
}

function correct(office: Office, books: Books, part: RatePart, delta: number): void {
  const { slice, slot } = part;
  part.amount += delta;
  let rest = delta;
  const open = slice.slot === slot && office.clock() < slice.until_ms;
  if (open) {
    const here = Math.min(rest, slice.free);
    slice.free -= here;
    needed(slice);
    rest -= here;
  }
  if (rest === 0) return;
  const { slot_ms, count } = slotsOf(slice.rate);
  // Until the ledger says so itself.
  slice.used = Math.max(0, slice.used + rest);
  item.rate(books, slice.key, slot, rest, slot_ms, count);
  note(office, books, item);
}

/** As if it had never been: the request and its rates come back as well. */
export function releaseHold(office: Office, books: Books, hold: LocalHold): void {
  if (hold.provisional) {
    item.money(books, 'x', hold, nothing, false, hold.labels);
    for (const slice of hold.slices) {
      move(slice, -amountIn(slice.unit, hold), 0);
      item.counter(slice, 0);
    }
    item.end();
    note(office, books, item);
    books.standing.end(hold.id, books.items);
  } else {
    for (const slice of hold.slices) {
      const before = amountIn(slice.unit, hold);
      slice.held -= before;
      slice.free += before;
    }
    giveSeats(hold);
    office.notes.released(books, hold);
  }
  for (const part of hold.parts) correct(office, books, part, -part.amount);
  books.holds.delete(hold.id);
}

/** Windows and seats go back. */
export function takeBack(office: Office, books: Books, { parts, seats }: Omit<Holding, 'slices'>): void {
  giveSeats({ seats });
  for (const part of parts) correct(office, books, part, -part.amount);
}

export function giveSeats(hold: Pick<LocalHold, 'seats'>): void {
  for (const seats of hold.seats) {
    seats.taken--;
    seats.dirty = true;
  }
}
