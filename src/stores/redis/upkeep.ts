import { LedgerUnavailable } from '../ledger.ts';
import { abandonedIn } from './abandoned.ts';
import type { Enrolled } from './enrolled.ts';
import type { Line } from './line.ts';
import type { Memory } from './memory.ts';
import type { RemoteSlices } from './slices.ts';
import type { Turns } from './turns.ts';

/** What an organisation's upkeep may take. */
export const upkeep_ms = 5_000;
const reap_max = 50;

export interface ReapingParts {
  readonly line: Line;
  readonly turns: Turns;
  readonly memory: Memory;
  readonly slices: RemoteSlices;
  /** The longest lease asked for. */
  readonly lease_ms: number;
}

/** Settles what owners abandoned of an organisation at the estimate, and takes back their slices. Answers how many holds. */
async function reaped({ turns, memory, slices, lease_ms }: ReapingParts, organization: string): Promise<number> {
  let reaped = 0;
  for (let done = reap_max; done === reap_max; reaped += done) {
    const answer = await turns.alone(organization, [6, reap_max, lease_ms], { deadline_ms: upkeep_ms });
    const { settled, sums } = abandonedIn(answer);
    memory.hearAll(organization, sums, answer.now_ms);
    memory.reaped(organization, settled);
    done = answer.code;
  }
  await slices.reclaim(organization, upkeep_ms);
  return reaped;
}

/**
 * `reaped` of every organisation: what is wrong with one keeps nothing from the others. Rejects with the first failure when
 * all were looked at.
 */
export async function reapedOfAll(parts: ReapingParts, enrolled: Enrolled): Promise<number> {
  let sum = 0;
  const failed: unknown[] = [];
  for (const organization of await enrolled.all()) {
    if (parts.line.lost) throw failed[0] ?? new LedgerUnavailable('Redis is lost');
    sum += await reaped(parts, organization).catch((error: unknown) => {
      failed.push(error);
      return 0;
    });
  }
  if (failed.length > 0) throw failed[0];
  return sum;
}

/** One step after the other, whatever becomes of those before it. Answers what failed. */
export async function eachOf(steps: readonly (() => Promise<unknown>)[]): Promise<unknown[]> {
  const failed: unknown[] = [];
  for (const step of steps) {
    try {
      await step();
    } catch (error) {
      failed.push(error);
    }
  }
  return failed;
}
