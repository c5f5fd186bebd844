import { join } from 'node:path';
import { load } from '../embedded/segments.ts';
import { lock } from '../lock.ts';
import { Outbox } from '../redis/outbox.ts';
import { moneyIn } from './items.ts';
import { Replay } from './replay.ts';

/** What a file or directory has that a shared ledger was never told: calls, and what they cost or hold. Or why that cannot be read. */
export interface LeftUntold {
  readonly file: string;
  readonly count: number;
  readonly nusd: number;
  readonly error?: Error;
}

/** `name`: of what a gateway with a shared ledger writes. Undefined where all was told. */
export function leftUntold(directory: string, name: string): LeftUntold | undefined {
  const file = join(directory, name);
  try {
    const { count, nusd } = name.startsWith('ledger-outbox') ? inOutbox(file) : inJournal(file);
    return count === 0 ? undefined : { file, count, nusd };
  } catch (error) {
    return { file, count: 0, nusd: 0, error: error as Error };
  }
}

function inOutbox(path: string): { readonly count: number; readonly nusd: number } {
  const outbox = new Outbox(path, () => {});
  try {
    const settled = outbox.waiting().filter((message) => message.op === 'settle');
    return { count: settled.length, nusd: settled.reduce((sum, { nusd }) => sum + nusd, 0) };
  } finally {
    outbox.close();
  }
}

function inJournal(path: string): { readonly count: number; readonly nusd: number } {
  const held = lock(join(path, 'lock'));
  try {
    const sum = { count: 0, nusd: 0 };
    for (const { untold, holds } of load(
      path,
      () => {},
      () => new Replay(),
    )?.replay.all.values() ?? []) {
      const spent = moneyIn(untold.texts());
      const open = [...holds.values()].filter(({ provisional }) => !provisional);
      sum.count += spent.calls + open.length;
      sum.nusd += open.reduce((sum, { nusd }) => sum + nusd, spent.nusd);
    }
    return sum;
  } finally {
    held.release();
  }
}
