import { floorOf } from './asks.ts';
import type { Books } from './books.ts';
import { spentBy } from './items.ts';
import type { EstimateAgain, Floor, SeatsAsk, SliceAsk, Trade } from './port.ts';
import { type Renewals, renewalAsk } from './renewals.ts';
import { stir } from './slices.ts';
import { counterOf } from './standing.ts';

type Part = Pick<Trade, 'items' | 'slices' | 'rates' | 'seats' | 'renewals' | 'again'>;

/**
 * What a store that lost its data is told of one moment, in trades that each tell so many things at most, and one after the
 * other: estimates, what happened since, and with the last of it what calls hold. And the sums below which nothing is
 * counted: of items that the store has (up to `had`) it had heard before anybody told it again, and so has whoever heard of it
 * after that. What was free is not ours any more from here on.
 */
export function retelling(
  books: Books,
  waiting: Renewals,
  most: number,
  had: number,
): { readonly parts: readonly Part[]; readonly floors: readonly Floor[] } {
  const slices = [...books.slices.values()];
  for (const slice of slices) {
    slice.free = 0;
    stir(slice);
  }
  for (const one of books.seats.values()) {
    one.granted = Math.min(one.granted, one.taken);
    one.dirty = true;
  }
  const told = books.untold.inParts(most);
  // Of the same moment as the items: what comes after them is told on top of it all.
  const untold = spentBy(books.untold.texts(), had);
  const floors = slices
    .map((slice) => floorOf(slice, untold.get(slice.key)?.spent ?? 0))
    .filter(({ key, at_ms }) => at_ms > 0 || untold.has(key));
  // A counter that is made is made with them.
  const known = slices.filter(({ resets }) => resets > 0);
  const resets = known.map((slice) => ({ ...counterOf(slice), resets: slice.resets }));
  const part = (items: Buffer, estimates: readonly EstimateAgain[]): Part => {
    return { ...nothingAgain, items, again: { resets, estimates } };
  };
  // Each before what replaces it.
  const estimates = books.standing.again();
  const parts: Part[] = [];
  while (estimates.length > most) parts.push(part(nothing, estimates.splice(0, most)));
  for (const { items } of told) parts.push(part(items, estimates.splice(0)));
  const last = told.at(-1)?.last ?? 0;
  // What became of renewals is heard with the trade after this one.
  const held = { slices: holdingOf(books), seats: sittingOf(books), renewals: waiting.told(last).map(renewalAsk) };
  const end = parts.pop() ?? part(nothing, []);
  return { parts: [...parts, { ...end, ...held }], floors };
}

const nothing = Buffer.from('[]');

/** Tells a store that lost its data nothing yet: its answer says what it has. */
export const nothingAgain: Part = {
  items: nothing,
  slices: [],
  rates: [],
  seats: [],
  renewals: [],
  again: { resets: [], estimates: [] },
};

const asking = { free: 0, least: 0, asked: 0, ahead: 0 };

function holdingOf({ slices }: Books): SliceAsk[] {
  const held = [...slices.values()].filter((slice) => slice.held > 0);
  return held.map(({ key, budget, start_ms, end_ms, expires_ms, held: holds }) => {
    return { key, budget, start_ms, end_ms, expires_ms, holds, ...asking };
  });
}

function sittingOf({ seats }: Books): SeatsAsk[] {
  const sitting = [...seats.values()].filter(({ taken }) => taken > 0);
  return sitting.map(({ key, rate, taken }) => ({ key, rate, holds: taken, ...asking }));
}
