import type { Identity } from '../callers/index.ts';
import { type Accepted, enrich } from './accept.ts';
import type { Pinned, Walk } from './walk.ts';

/** A request whose caller is known, with the configuration it keeps to its end. */
export interface Identified extends Accepted {
  readonly identity: Identity;
  readonly pinned: Pinned;
}

/** Key or token to caller, once. Throws `invalid_api_key` (401). */
export async function identify(walk: Walk, accepted: Accepted): Promise<Identified> {
  const pinned = walk.pinned();
  const answer = pinned.directory.identify(accepted.arrival.headers);
  const identity = answer instanceof Promise ? await answer : answer;
  return enrich(accepted, { identity, pinned });
}
