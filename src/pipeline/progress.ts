import type { Decision, FactTree } from '../policy/index.ts';
import type { Accepted } from './accept.ts';
import type { Admitted } from './admit.ts';
import type { Attempts } from './attempts.ts';
import type { Decided } from './decide.ts';
import type { Guarded } from './guard.ts';
import type { Identified } from './identify.ts';
import type { Inspected } from './inspect.ts';
import type { Lease } from './lease.ts';
import type { Read } from './read.ts';
import type { Cost } from './settle.ts';

/**
 * How far an exchange came: what is undefined did not happen. All fields are there from the start, since an object that
 * grows is copied while it does.
 */
export class Progress {
  readonly accepted: Accepted;
  identified: Identified | undefined = undefined;
  read: Read | undefined = undefined;
  inspected: Inspected | undefined = undefined;
  decided: Decided | undefined = undefined;
  admitted: Admitted | undefined = undefined;
  /** There as soon as it is admitted. */
  attempts: Attempts | undefined = undefined;
  lease: Lease | undefined = undefined;
  guarded: Guarded | undefined = undefined;
  cost: Cost | undefined = undefined;
  /** The decision that denied, where one did. */
  denied: Decision | undefined = undefined;
  /** The facts it was made on. */
  deniedOn: FactTree | undefined = undefined;
  /** The approval the caller was sent away to ask for. */
  asked: string | undefined = undefined;
  /** What the rules on `settle` say of an exchange that is over. */
  settled: Decision | undefined = undefined;

  constructor(accepted: Accepted) {
    this.accepted = accepted;
  }
}
