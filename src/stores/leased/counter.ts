import { joined, labelsOf, labelText } from '../labels.ts';
import type { Amount, Labels, ReserveRequest, Settlement } from '../ledger.ts';
import { sizeIn } from '../rate-key.ts';
import { amountIn } from '../tally.ts';
import type { Need } from './admission.ts';
import { type Books, slotsOf } from './books.ts';
import { moneyItem, rateItem } from './items.ts';
import { note, type Office } from './office.ts';
import { draw, type LocalHold, move, type RatePart, spend } from './slices.ts';

/** A hold that holds nothing yet. */
export function newHold({ id, owner, labels }: ReserveRequest): LocalHold {
  const amount = { nusd: 0, tokens: 0, input: 0 };
  const nowhere = { slices: [], parts: [], seats: [] };
  return { id, owner, ...amount, expires_ms: 0, provisional: false, ...nowhere, labels: labelText(labels) };
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
  set(hold, amount, expires_ms);
  books.holds.set(hold.id, hold);
  books.settled.delete(hold.id);
  office.notes.held(books, hold);
}

/** Another amount for a hold, over slices that cover the difference. */
export function widen(
  office: Office,
  books: Books,
  hold: LocalHold,
  needs: readonly Need[],
  amount: Amount,
  expires_ms: number,
): void {
  if (hold.provisional) revive(office, books, hold);
  take(office, hold, needs);
  set(hold, amount, expires_ms);
  office.notes.amended(books, hold);
}

/** The estimate is held again: the owner's slice grows by what is spent no more. */
function revive(office: Office, books: Books, hold: LocalHold): void {
  const used = hold.slices.map((slice) => {
    const before = amountIn(slice.unit, hold);
    slice.held += before;
    move(slice, -before, -before);
    return -before;
  });
  note(office, books, (number) => moneyItem(number, 'v', hold, nothing, true, hold.labels, used));
  hold.provisional = false;
  hold.seats.length = 0;
}

const nothing = { nusd: 0, tokens: 0, input: 0 };

function set(hold: LocalHold, { nusd, tokens, input = 0 }: Amount, expires_ms: number): void {
  hold.nusd = nusd;
  hold.tokens = tokens;
  hold.input = input;
  hold.expires_ms = expires_ms;
}

function take(office: Office, hold: LocalHold, needs: readonly Need[]): void {
  const now_ms = office.clock();
  for (const need of needs) {
    if (need.of === 'budget') {
      draw(need.slice, need.asked, now_ms);
      if (!hold.slices.includes(need.slice)) hold.slices.push(need.slice);
    } else if (need.of === 'seats') {
      need.slice.taken += need.asked;
      need.slice.used_ms = now_ms;
      if (!hold.seats.includes(need.slice)) hold.seats.push(need.slice);
    } else if (need.asked > 0) {
      need.slice.free -= need.asked;
      need.slice.drawn += need.asked;
      hold.parts.push({ slice: need.slice, slot: need.slice.slot, amount: need.asked });
    }
  }
}

/** The hold, or its estimate, becomes what the call cost. */
export function settleHold(office: Office, books: Books, hold: LocalHold, settlement: Settlement): void {
  const { amount, estimated, labels } = settlement;
  replace(office, books, hold, 's', amount, estimated, mergedLabels(hold.labels, labels));
  books.holds.delete(hold.id);
  books.settled.add(hold.id);
}

/** What its owner abandoned is settled at the estimate, provisionally. */
export function reapHold(office: Office, books: Books, hold: LocalHold): void {
  const { nusd, tokens, input } = hold;
  replace(office, books, hold, 'p', { nusd, tokens, input }, true, hold.labels);
  hold.provisional = true;
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
  const { nusd, tokens, input = 0 } = amount;
  const used: number[] = [];
  for (const slice of hold.slices) {
    const [before, after] = [amountIn(slice.unit, hold), amountIn(slice.unit, amount)];
    if (!hold.provisional) used.push(spend(slice, before, after));
    else {
      // The estimate is spent already: more than that is taken of what is free, and is debt beyond.
      const more = Math.min(Math.max(0, after - before), slice.free);
      slice.free -= more;
      move(slice, after - before, more);
      used.push(more);
    }
  }
  note(office, books, (number) => moneyItem(number, kind, hold, { nusd, tokens, input }, estimated, labels, used));
  for (const part of hold.parts) {
    const { unit } = part.slice.rate;
    if (unit === 'requests') continue;
    const before = sharesOf(hold, part);
    if (before !== undefined) correct(office, books, part, sizeIn(unit, amount) - before);
  }
  if (!hold.provisional) giveSeats(hold);
}

/** All of a hold's shares in this part's window where it is the newest of them: that is where a difference is counted. */
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

function correct(office: Office, books: Books, part: RatePart, delta: number): void {
  const { slice, slot } = part;
  part.amount += delta;
  let rest = delta;
  const open = slice.slot === slot && office.clock() < slice.until_ms;
  if (open) {
    const here = Math.min(rest, slice.free);
    slice.free -= here;
    rest -= here;
  }
  if (rest === 0) return;
  const { slot_ms, count } = slotsOf(slice.rate);
  // Until the ledger says so itself.
  slice.used = Math.max(0, slice.used + rest);
  note(office, books, (number) => rateItem(number, slice.key, slot, rest, slot_ms, count));
}

/** As if it had never been: the request and its rates come back as well. */
export function releaseHold(office: Office, books: Books, hold: LocalHold): void {
  if (hold.provisional) {
    const used = hold.slices.map((slice) => {
      move(slice, -amountIn(slice.unit, hold), 0);
      return 0;
    });
    note(office, books, (number) => moneyItem(number, 'x', hold, nothing, false, hold.labels, used));
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

function giveSeats(hold: LocalHold): void {
  for (const seats of hold.seats) {
    seats.taken--;
    seats.dirty = true;
  }
}

function mergedLabels(held: string, settled: Labels | undefined): string {
  if (settled === undefined) return held;
  return labelText(joined(labelsOf(held), settled));
}
