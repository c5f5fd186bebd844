import type { Budget } from '../ledger.ts';
import type { Asked } from './asks.ts';
import type { RenewalAsk, RenewalGrant } from './port.ts';
import type { Slice } from './slices.ts';

/** An estimate that is to be held again, once its item is told. One of its three ends is called, once. */
export interface Renewal {
  readonly id: string;
  /** Number of its item. */
  readonly number: number;
  /** What comes back to each slice of the hold; 0 where nothing is counted on. */
  readonly back: readonly (readonly [Slice, number])[];
  /** What came back is in the slices, and in nobody's hands. */
  again(): void;
  /** It is an estimate still, and counts in these of its slices. */
  stands(counts: readonly boolean[]): void;
  failed(error: Error): void;
}

/** Renewals whose end only the shared ledger knows: each is told of with the trade that tells its item. */
export class Renewals {
  #waiting: Renewal[] = [];

  get size(): number {
    return this.#waiting.length;
  }

  add(renewal: Renewal): void {
    this.#waiting.push(renewal);
  }

  /** Those whose items are told by now. */
  told(last: number): readonly Renewal[] {
    return this.#waiting.filter(({ number }) => number <= last);
  }

  /** What came back, by slice: also to those who gave up meanwhile, which are to be estimates again. */
  returned(told: readonly Renewal[], grants: readonly RenewalGrant[]): ReadonlyMap<Slice, number> {
    const sums = new Map<Slice, number>();
    for (const [at, { back }] of told.entries()) {
      if (grants[at]?.held !== true) continue;
      for (const [slice, amount] of back) sums.set(slice, (sums.get(slice) ?? 0) + amount);
    }
    return sums;
  }

  answered(told: readonly Renewal[], grants: readonly RenewalGrant[]): void {
    for (const [at, renewal] of told.entries()) {
      const grant = grants[at];
      if (grant === undefined) throw new Error('the shared ledger answered fewer renewals than were asked');
      if (!this.#leaves(renewal)) continue;
      if (grant.held) renewal.again();
      else renewal.stands(grant.counts);
    }
  }

  /** What was done of them nobody knows. */
  failed(told: readonly Renewal[], error: Error): void {
    for (const renewal of told) if (this.#leaves(renewal)) renewal.failed(error);
  }

  allFailed(error: Error): void {
    this.failed([...this.#waiting], error);
  }

  #leaves(renewal: Renewal): boolean {
    const at = this.#waiting.indexOf(renewal);
    if (at >= 0) this.#waiting.splice(at, 1);
    return at >= 0;
  }
}

export function renewalAsk({ id, back }: Renewal): RenewalAsk {
  return { id, back: back.map(([{ key }, amount]) => ({ key, amount })) };
}

/** Slices that something comes back to are asked about with those that calls wait for. */
export function alsoNamed(asked: Map<Slice, Asked<Budget>>, told: readonly Renewal[]): void {
  for (const { back } of told) {
    for (const [slice] of back) {
      if (!asked.has(slice)) asked.set(slice, { limit: slice.budget, least: 0, most: 0, sum: 0, held: false });
    }
  }
}
