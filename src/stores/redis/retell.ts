import { labelText } from '../labels.ts';
import { LedgerUnavailable } from '../ledger.ts';
import { abandoning } from './abandoned.ts';
import type { Line } from './line.ts';
import type { Held, Memory } from './memory.ts';
import { baseOf, planOfKnown, shapeOf } from './plan.ts';
import { scripts } from './scripts.ts';
import type { Settling } from './settling.ts';
import type { Turns } from './turns.ts';

export interface Teller {
  readonly line: Line;
  readonly prefix: string;
  readonly memory: Memory;
  readonly settling: Settling;
  readonly turns: Turns;
  /** Names this process among those that tell. */
  readonly me: string;
}

/** How long a Redis that lost data may take to hear a part of it. */
export const telling_ms = 5_000;
const batch = 100;
/** How often a counter was set to zero its answers do not tell. */
const resets_unknown = -1;

/**
 * Tells a Redis that lost data what this process knows of an organisation, in an order that never counts less than
 * before: what was settled lately, one by one, also at the estimate for others; what is held; then of every counter the newest sum that was told and what
 * was settled here since, and which were set to zero from here. Says how much it was, in words.
 */
export async function retell(teller: Teller, organization: string, permit: string): Promise<string> {
  const { line, prefix, memory, settling, turns, me } = teller;
  const base = baseOf(prefix, organization);
  const settled = memory.acknowledged(organization);
  await inBatches(settled, ({ message }) => settling.send(message, permit));
  const abandoned = memory.abandoned(organization);
  await inBatches(abandoned, (one) => {
    const { operation, plan } = abandoning(one);
    return turns.alone(organization, operation, { plan, permit, deadline_ms: telling_ms });
  });
  const holds = memory.holds(organization);
  await inBatches(holds, (held) => {
    return turns.alone(organization, holding(held), {
      plan: planOfKnown(held.limits),
      permit,
      deadline_ms: telling_ms,
    });
  });
  const counters = memory.counters(organization);
  for (let at = 0; at < counters.length; at += batch) {
    const told = counters.slice(at, at + batch).flatMap(({ planned, at_ms, spent, added }) => {
      const { key, budget, expires_ms } = planned;
      const shape = [shapeOf(budget)[0], budget.limit, budget.hard ? 1 : 0, expires_ms, resets_unknown];
      return [key, at_ms, spent, ...shape, added.text];
    });
    await tellFloors(line, base, permit, [me, ...told]);
  }
  const zeroed = memory.zeroed(organization);
  for (let at = 0; at < zeroed.length; at += batch) {
    const told = zeroed.slice(at, at + batch).flatMap(({ key, resets, at_ms }) => [key, resets, at_ms]);
    heard(await line.run(scripts.zeroed, [`${base}zeroed`, permit], [base, ...told], telling_ms));
  }
  return `${holds.length} holds, ${settled.length} settlements and ${counters.length} counters`;
}

/**
 * Tells sums under a permit. Rejects with `LedgerUnavailable` where that lets nobody pass any more: others did not wait, and have
 * opened the store without these sums, so that they must be told anew.
 */
export async function tellFloors(line: Line, base: string, permit: string, told: readonly (string | number)[]) {
  heard(await line.run(scripts.tell, [`${base}floors`, permit], [base, ...told], telling_ms));
}

function heard(answer: unknown): void {
  if (Number((answer as readonly unknown[])[0]) === -1) {
    throw new LedgerUnavailable('Redis was opened before it had been told everything; it is told again');
  }
}

function holding({ id, owner, amount, lease_ms, nonce, labels }: Held): (string | number)[] {
  const { nusd, tokens, input = 0 } = amount;
  return [8, id, 0, nusd, tokens, input, lease_ms, owner, nonce, labelText(labels)];
}

async function inBatches<T>(list: readonly T[], work: (one: T) => Promise<unknown>): Promise<void> {
  for (let at = 0; at < list.length; at += batch) await Promise.all(list.slice(at, at + batch).map(work));
}
