import type { Deadlines } from './deadlines.ts';

/** Where a call goes. */
export interface Origin {
  /** The provider's id. */
  readonly provider: string;
  /** Watches the times of its calls. */
  readonly deadlines: Deadlines;
  /** The call is off the wire. */
  gone(): void;
}
