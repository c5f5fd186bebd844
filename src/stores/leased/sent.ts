import type { RateAsk, SeatsAsk, SliceAsk, Trade } from './port.ts';
import { type Renewal, renewalAsk } from './renewals.ts';
import type { RateSlice, SeatsSlice, Slice } from './slices.ts';

/** What a trade that was sent asks for. */
export interface Sent {
  readonly sent_ms: number;
  /** Number of the newest item it tells; 0 where it tells none. */
  readonly last: number;
  readonly slices: readonly (readonly [Slice, SliceAsk])[];
  readonly rates: readonly (readonly [RateSlice, RateAsk])[];
  readonly seats: readonly (readonly [SeatsSlice, SeatsAsk])[];
  readonly renewals: readonly Renewal[];
}

type Asked = Pick<Trade, 'slices' | 'rates' | 'seats' | 'renewals'>;

export function askedIn({ slices, rates, seats, renewals }: Sent): Asked {
  return { slices: asksOf(slices), rates: asksOf(rates), seats: asksOf(seats), renewals: renewals.map(renewalAsk) };
}

/** What was granted to one that was asked for. */
export function grant<T>(list: readonly T[], at: number): T {
  const one = list[at];
  if (one === undefined) throw new Error('the shared ledger answered less than was asked');
  return one;
}

function asksOf<T>(list: readonly (readonly [unknown, T])[]): readonly T[] {
  return list.map(([, ask]) => ask);
}
