import { randomBytes } from 'node:crypto';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import type { Settings } from '../config.ts';

/**
 * A worker's place on disk, numbered from 1: its spool and what its ledger has yet to say. A process that takes a place
 * over goes on where the one before it ended. The first place is also that of a gateway of one process; number 0 is the
 * place of the process that has workers.
 */
export interface SlotPlaces {
  readonly spoolId: string;
  readonly outbox: string;
  /** What a process has leased, and what it admitted while Redis was lost. */
  readonly slices: string;
  readonly shares: string;
}

export function slotPlaces({ state }: Settings, slot: number): SlotPlaces {
  const suffix = slot === 1 ? '' : `-${slot}`;
  const at = (name: string): string => join(state.path, `${name}${suffix}`);
  return { spoolId: `gateway${suffix}`, outbox: at('ledger-outbox'), slices: at('slices'), shares: at('shares') };
}

/** The slot whose spool has this name; undefined for a spool that is none of a gateway's. */
export function slotOfSpool(spoolId: string): number | undefined {
  const found = /^gateway(?:-(0|[1-9]\d*))?$/.exec(spoolId);
  return found === null ? undefined : Number(found[1] ?? 1);
}

/** How many processes are to serve. */
export function workerCount({ server }: Settings): number {
  return server.workers === 'auto' ? availableParallelism() : server.workers;
}

/** What a process is called in the ledger. No process before was: a container's often have the same id after a restart. */
export function ownerName(slot: number): string {
  return `gateway-${slot}-${process.pid}-${randomBytes(4).toString('hex')}`;
}
