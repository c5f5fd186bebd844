import { existsSync, renameSync, rmSync } from 'node:fs';
import type { LeasedLedger } from './ledger.ts';
import type { LeasedLedgerOptions } from './open.ts';

/** A journal of a process that worked another way, until the shared ledger knows all of it. */
export interface Left {
  close(): Promise<void>;
}

/** How often it is looked whether all was told, and how soon a journal that is held is tried again. */
const look_ms = 1_000;

/**
 * Tells the shared ledger what an earlier process has in a journal that nobody writes any more. What it spent is told when
 * this resolves, where the journal can be opened; what it held is settled when its leases end. Where it cannot be opened
 * (its process still runs) that is said once, and it is tried again. A journal of which all was told is removed. Undefined where
 * there is none.
 */
export async function openLeft(
  path: string | undefined,
  options: Omit<LeasedLedgerOptions, 'path'>,
  open: (options: LeasedLedgerOptions) => Promise<LeasedLedger>,
): Promise<Left | undefined> {
  if (path === undefined) return undefined;
  rmSync(goneOf(path), { recursive: true, force: true });
  if (!existsSync(path)) return undefined;
  const { outbox_path: _, left: __, onState: ___, ...rest } = options;
  const quiet = { ahead_ms: 0, reap_interval_ms: 0, report_ms: 0 };
  let ledger: LeasedLedger | undefined;
  let problem = '';
  const look = async (): Promise<void> => {
    try {
      ledger ??= await open({ ...rest, ...quiet, path, owner: `${options.owner}-left` });
      await ledger.reap();
      if (ledger.owes) return;
      clearInterval(timer);
      await ledger.close();
      if (!ledger.owes) remove(path);
    } catch (error) {
      const { message } = error as Error;
      if (message !== problem) options.notice?.(`what another mode left in ${path} cannot be told yet: ${message}`);
      problem = message;
    }
  };
  let looking: Promise<void> | undefined;
  const begin = (): Promise<void> => {
    looking ??= look().finally(() => {
      looking = undefined;
    });
    return looking;
  };
  const timer = setInterval(() => void begin(), look_ms).unref();
  await begin();
  return {
    async close() {
      clearInterval(timer);
      await looking;
      await ledger?.close();
    },
  };
}

/** Where a journal goes that is being removed. */
function goneOf(path: string): string {
  return `${path}.gone`;
}

/** All of it at once: an older part that is left by itself would be told as if it were news. */
function remove(path: string): void {
  try {
    renameSync(path, goneOf(path));
    rmSync(goneOf(path), { recursive: true, force: true });
  } catch {
    // It is opened once more at the next start, and has nothing to tell.
  }
}
