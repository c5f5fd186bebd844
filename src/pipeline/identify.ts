import type { Identity } from '../callers/index.ts';
import { type Accepted, richer } from './accept.ts';
import type { Pinned, Walk } from './walk.ts';

/** A request whose caller is known, with the configuration it keeps to its end. */
export interface Identified extends Accepted {
  readonly identity: Identity;
  readonly pinned: Pinned;
}

/** Key or token to caller, once; a promise only where a token's signing keys must be fetched. Throws `invalid_api_key` (401). */
export function identify(walk: Walk, accepted: Accepted): Identified | Promise<Identified> {
  const pinned = walk.pinned();
  const answer = pinned.directory.identify(accepted.arrival.headers);
  if (!(answer instanceof Promise)) return identified(accepted, answer, pinned);
  return answer.then((identity) => identified(accepted, identity, pinned));
}

function identified(accepted: Accepted, identity: Identity, pinned: Pinned): Identified {
  const known = richer<Identified>(accepted);
  known.identity = identity;
  known.pinned = pinned;
  return known;
}
