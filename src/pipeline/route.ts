import { Failure } from '../exchange/index.ts';
import type { Decision } from '../policy/index.ts';
import type { Candidate } from '../providers/index.ts';
import type { Inspected } from './inspect.ts';

/** Where a rule sends a call. */
export interface Routed {
  /** The same for the same places. */
  readonly name: string;
  readonly candidates: readonly Candidate[];
}

/**
 * The candidates a rule names, in its order: `provider` with the model decided for, or `provider/model`. Undefined where no
 * rule names any, or the call goes there already. Throws `model_not_found` (503) where none of them has it.
 */
export function routedTo(
  { pinned }: Inspected,
  { model }: Candidate,
  decision: Decision,
  now: readonly Candidate[],
): Routed | undefined {
  const { routeTo } = decision.modifications;
  if (routeTo === undefined) return undefined;
  const candidates = routeTo.flatMap((place): readonly Candidate[] => {
    const slash = place.indexOf('/');
    const found =
      slash < 0
        ? (now.find(({ provider }) => provider.id === place) ?? pinned.catalog.candidateFor(place, model))
        : pinned.catalog.candidateFor(place.slice(0, slash), place.slice(slash + 1));
    return found === undefined ? [] : [found];
  });
  if (candidates.length === 0) {
    const rule = decision.obligations.find(({ type }) => type === 'route_to')?.rule ?? '';
    throw new Failure(
      'model_not_found',
      `A policy sends this call to ${routeTo.join(' or ')}, where '${model}' is not.`,
      {
        status: 503,
        extra: { rule },
      },
    );
  }
  const same = candidates.length === now.length && candidates.every((one, i) => isSame(one, now[i]));
  return same ? undefined : { name: candidates.map(nameOf).join(' '), candidates };
}

function isSame(a: Candidate, b: Candidate | undefined): boolean {
  return b !== undefined && nameOf(a) === nameOf(b);
}

/** `provider/model`. */
export function nameOf({ provider, model }: Candidate): string {
  return `${provider.id}/${model}`;
}
