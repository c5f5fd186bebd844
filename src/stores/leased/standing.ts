import type { Amount } from '../ledger.ts';
import type { EstimateAgain, EstimateGrant } from './port.ts';
import type { LocalHold, Slice } from './slices.ts';

interface Stood {
  readonly amount: Amount;
  readonly labels: string;
  readonly slices: readonly Slice[];
  /** Until the shared ledger told, undefined. */
  told: EstimateGrant | undefined;
  /** Number of the item that takes it back or replaces it; 0 while there is none. */
  ended: number;
}

/** More than a process abandons; the oldest are forgotten. */
const standing_max = 10_000;

/**
 * Estimates that stand in the shared ledger, and where: should that lose its data it is told them one by one, or what replaces
 * them later could not take their place. An earlier process's are not among them, whose calls are over.
 */
export class Standing {
  readonly #all = new Map<string, Stood>();
  /** Ids of those that something replaces. */
  readonly #ending = new Set<string>();

  /** The hold became an estimate; its item was noted. */
  begin({ id, nusd, tokens, input, labels, slices }: LocalHold): void {
    this.forget(id);
    this.#all.set(id, { amount: { nusd, tokens, input }, labels, slices: [...slices], told: undefined, ended: 0 });
    if (this.#all.size > standing_max) this.forget(this.#all.keys().next().value ?? id);
  }

  /** The shared ledger told where it counts, or that it knows nothing of it. */
  told(grant: EstimateGrant): void {
    const stood = this.#all.get(grant.id);
    if (stood !== undefined) stood.told = grant.resets.length === stood.slices.length ? grant : undefined;
  }

  /** An item of that number replaces it, or takes it back. */
  end(id: string, number: number): void {
    const stood = this.#all.get(id);
    if (stood === undefined) return;
    stood.ended = number;
    if (number > 0) this.#ending.add(id);
    else this.#ending.delete(id);
  }

  /** What was to take it back was refused, or is not wanted any more. */
  stays(id: string): void {
    this.end(id, 0);
  }

  forget(id: string): void {
    this.#all.delete(id);
    this.#ending.delete(id);
  }

  /** Items up to this number were acknowledged. */
  heard(last: number): void {
    for (const id of this.#ending) if ((this.#all.get(id)?.ended ?? 0) <= last) this.forget(id);
  }

  /** Those of which is known where they count, for a store that lost them. */
  again(): EstimateAgain[] {
    const list: EstimateAgain[] = [];
    for (const [id, { amount, labels, slices, told, ended }] of this.#all) {
      if (told === undefined) continue;
      const { at_ms, resets } = told;
      const counters = slices.map((slice, at) => ({ ...counterOf(slice), resets: stillIn(slice, resets[at] ?? -1) }));
      list.push({ id, amount, labels, counters, at_ms, ended });
    }
    return list;
  }
}

/** Its counter, as it is told. */
export function counterOf({ key, budget, expires_ms }: Slice) {
  return { key, budget, expires_ms };
}

/** -1 where the counter is known to have been set to zero since. */
function stillIn(slice: Slice, resets: number): number {
  return resets < slice.resets ? -1 : resets;
}
