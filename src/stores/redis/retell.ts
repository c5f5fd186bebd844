import { slotting } from '../rate-key.ts';
import type { Line } from './line.ts';
import type { Held, Memory } from './memory.ts';
import { baseOf, letters } from './plan.ts';
import { scripts } from './scripts.ts';
import type { Settling } from './settling.ts';

export interface Teller {
  readonly line: Line;
  readonly prefix: string;
  readonly memory: Memory;
  readonly settling: Settling;
}

const telling_ms = 5_000;
const batch = 100;

/**
 * Tells a Redis that lost data what this process knows of an organisation, in an order that never counts less than
 * before: what was settled lately, one by one; what is held; then of every counter the newest sum that was told. Says how
 * much it was, in words.
 */
export async function retell(teller: Teller, organization: string, permit: string): Promise<string> {
  const { line, prefix, memory, settling } = teller;
  const base = baseOf(prefix, organization);
  const settled = memory.acknowledged(organization);
  await inBatches(settled, ({ message }) => settling.send(message, permit));
  const holds = memory.holds(organization);
  await inBatches(holds, (held) => {
    const keys = [`${base}hold:${held.id}`, permit];
    return line.run(scripts.reassert, keys, [base, ...holding(held)], telling_ms);
  });
  const counters = memory.counters(organization);
  for (let at = 0; at < counters.length; at += batch) {
    const told = counters.slice(at, at + batch).flatMap(({ planned, at_ms, spent }) => {
      const { key, budget, expires_ms } = planned;
      return [key, at_ms, spent, letters[budget.unit], budget.limit, budget.hard ? 1 : 0, expires_ms];
    });
    await line.run(scripts.tell, [`${base}floors`, permit], [base, ...told], telling_ms);
  }
  return `${holds.length} holds, ${settled.length} settlements and ${counters.length} counters`;
}

function holding({ id, owner, amount, lease_ms, nonce, budgets, rates }: Held): (string | number)[] {
  const args: (string | number)[] = [id, owner, amount.nusd, amount.tokens, lease_ms, nonce, budgets.size];
  for (const { key, budget, expires_ms } of budgets.values()) {
    args.push(key, letters[budget.unit], budget.limit, budget.hard ? 1 : 0, expires_ms);
  }
  for (const [key, rate] of rates) {
    const { slot_ms, count } = slotting(Math.max(1, rate.window_ms));
    args.push(key, letters[rate.unit], rate.limit, slot_ms, count);
  }
  return args;
}

async function inBatches<T>(list: readonly T[], work: (one: T) => Promise<unknown>): Promise<void> {
  for (let at = 0; at < list.length; at += batch) await Promise.all(list.slice(at, at + batch).map(work));
}
