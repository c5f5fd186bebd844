import type { Caller } from '../exchange/index.ts';
import type { CallerBudget, CallerRate, Limits } from './limits.ts';

/** Who asks, and everything that is limited about them. Built once for each key and user, and reused. */
export interface Identity {
  readonly caller: Caller;
  /** Every budget a call of this caller touches, whatever its model: organisation, team, key, user, project, tags. */
  readonly budgets: readonly CallerBudget[];
  readonly rates: readonly CallerRate[];
  /** What joins them for the model that is to answer; `names` are all it goes by. The same names give the same objects. */
  modelLimits(names: readonly string[]): Limits;
  /** Whether this caller may ask for the model by this name (an alias or a provider's own name). */
  mayUse(model: string): boolean;
  /** The patterns behind `mayUse`: the key's own where it has some (they narrow the team's), else the team's. */
  readonly models: readonly string[];
}

/** A request's headers, names in lower case, as Node gives them. */
export type Headers = Readonly<Record<string, string | string[] | undefined>>;

/** Tells who asks. One immutable snapshot of the configuration and a live view of the keys made at run time. */
export interface Directory {
  /**
   * The caller of these headers. Synchronous for keys and for tokens seen lately.
   * Throws (or rejects with) `invalid_api_key` for none, unknown, revoked or expired, without saying which;
   * `invalid_request` for a user, project or tag that is malformed.
   */
  identify(headers: Headers): Identity | Promise<Identity>;
}
