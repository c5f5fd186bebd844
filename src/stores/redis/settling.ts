import type { Settled } from '../ledger.ts';
import { type Answer, codeOf, settled } from './answers.ts';
import type { Epochs } from './epoch.ts';
import type { Memory } from './memory.ts';
import type { Message } from './outbox.ts';
import { baseOf, letters, type Planned } from './plan.ts';
import { scripts } from './scripts.ts';

export interface SettlingParts {
  readonly prefix: string;
  readonly epochs: Epochs;
  readonly memory: Memory;
  readonly notice: (message: string) => void;
}

/** Settled and released ids are remembered this long, so that a repeated delivery is known for one. */
const remembered_ms = 600_000;

/**
 * Ends holds: by what a call cost, or by giving them back. With a `permit` an end that was acknowledged is told again to
 * a Redis that lost it. Each rejects with `LedgerUnavailable` where it is not known to be done.
 */
export class Settling {
  readonly #parts: SettlingParts;

  constructor(parts: SettlingParts) {
    this.#parts = parts;
  }

  async send(message: Message, permit?: string): Promise<void> {
    if (message.op === 'settle') await this.settle(message, permit);
    else await this.release(message, permit);
  }

  async settle(message: Extract<Message, { op: 'settle' }>, permit?: string): Promise<Settled> {
    const { prefix, epochs, memory } = this.#parts;
    const { id, organization } = message;
    const base = baseOf(prefix, organization);
    const args = [base, id, message.nusd, message.tokens, message.estimated ? 1 : 0, remembered_ms];
    const mine = memory.budgetsOf(organization, id, permit !== undefined);
    let answer = await epochs.run(scripts.settle, organization, [`${base}hold:${id}`], [...args, 0], { permit });
    // Held by us and not known there: the store lost it. What it cost is counted all the same, unless so much time has
    // passed since it was first sent that it may have been settled then and forgotten.
    const fresh = Date.now() - message.at_ms < remembered_ms / 2;
    const lost = codeOf(answer) === 2 && mine !== undefined && fresh;
    if (lost) answer = await this.#recover(message, mine, args, permit);
    const brief = !lost && answer.length === 2 + 3 * (mine?.size ?? 0);
    const budgets = settled(answer, (key) => mine?.get(key)?.budget, brief);
    for (const planned of mine?.values() ?? []) {
      const state = budgets.find(({ budget }) => budget === planned.budget);
      if (state !== undefined) memory.hear(organization, base, planned, state.spent, Number(answer[1]));
    }
    if (codeOf(answer) === 2) memory.drop(organization, id);
    else memory.acknowledge(message);
    return { outcome: codeOf(answer) === 0 ? 'settled' : codeOf(answer) === 1 ? 'repeated' : 'unknown', budgets };
  }

  async #recover(
    { organization, id }: Message,
    budgets: ReadonlyMap<string, Planned>,
    args: readonly (string | number)[],
    permit: string | undefined,
  ): Promise<Answer> {
    const { prefix, epochs, notice } = this.#parts;
    const base = baseOf(prefix, organization);
    const keys = [`${base}hold:${id}`];
    const more: (string | number)[] = [];
    for (const { key, budget, expires_ms } of budgets.values()) {
      keys.push(base + key);
      more.push(letters[budget.unit], budget.limit, budget.hard ? 1 : 0, expires_ms);
    }
    if (permit === undefined) {
      notice(`Redis has lost the hold of ${id}; its cost is counted from what this process remembers`);
    }
    return await epochs.run(scripts.recover, organization, keys, [...args, ...more], { permit });
  }

  async release(message: Extract<Message, { op: 'release' }>, permit?: string): Promise<void> {
    const { prefix, epochs, memory } = this.#parts;
    const { id, organization, nonce } = message;
    const base = baseOf(prefix, organization);
    await epochs.run(scripts.release, organization, [`${base}hold:${id}`], [base, id, nonce], { permit });
    memory.acknowledge(message);
  }
}
