import type { Settled } from '../ledger.ts';
import { codeOf, settled } from './answers.ts';
import type { Memory } from './memory.ts';
import type { Message } from './outbox.ts';
import { type Planned, planOfKnown } from './plan.ts';
import type { Bare, Turns } from './turns.ts';

export interface SettlingParts {
  readonly prefix: string;
  readonly turns: Turns;
  readonly memory: Memory;
  readonly notice: (message: string) => void;
}

/** Settled and released ids are remembered this long, so that a repeated delivery is known for one. */
const remembered_ms = 600_000;
/** As text: the script hands it on as it is. */
const remembered = String(remembered_ms);

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
    if (message.op === 'settle') await this.settle(message, false, permit);
    else await this.release(message, permit);
  }

  /** `tell`: whether the budgets as they are afterwards are wanted. */
  async settle(message: Extract<Message, { op: 'settle' }>, tell: boolean, permit?: string): Promise<Settled> {
    const { turns, memory } = this.#parts;
    const { id, organization, nusd, tokens, input = 0, estimated, labels = '' } = message;
    const amounts = [nusd, tokens, input, estimated ? '1' : '0', remembered];
    const mine = memory.budgetsOf(organization, id, permit !== undefined);
    const operation = [2, id, '', ...amounts, tell ? mine?.size || -1 : 0, labels];
    const add = (told: Bare): void => {
      if (mine !== undefined && (codeOf(told) === 0 || codeOf(told) === 5)) {
        memory.add(organization, mine.values(), { nusd, tokens }, told.now_ms);
      }
    };
    let kept = permit !== undefined;
    // What is ours is asked the moment the answer is heard: later answers of the same turn may end it, or begin it anew.
    const heard = (told: Bare): void => {
      add(told);
      if (codeOf(told) === 2) kept = memory.budgetsOf(organization, id) !== undefined;
      else memory.acknowledge(message);
    };
    let answer: Bare =
      permit === undefined
        ? await turns.ask(organization, operation, undefined, heard)
        : await turns.alone(organization, operation, { permit });
    // Held by us and not known there: the store lost it. What it cost is counted all the same, unless so much time has
    // passed since it was first sent that it may have been settled then and forgotten.
    const fresh = Date.now() - message.at_ms < remembered_ms / 2;
    const recovered = codeOf(answer) === 2 && mine !== undefined && kept && fresh;
    if (recovered) {
      answer = await this.#recover(message, mine, [5, id, 0, ...amounts, labels], permit);
    }
    const budgets = tell || codeOf(answer) === 5 ? settled(answer, [...(mine?.values() ?? [])]) : [];
    // What is told again was counted when it was told first.
    if (recovered && permit === undefined) add(answer);
    const code = codeOf(answer);
    if (code === 2 && kept) memory.drop(organization, id);
    else if (recovered || permit !== undefined) memory.acknowledge(message);
    return { outcome: code === 1 ? 'repeated' : code === 2 ? 'unknown' : 'settled', budgets };
  }

  #recover(
    { organization, id }: Message,
    budgets: ReadonlyMap<string, Planned>,
    operation: (string | number)[],
    permit: string | undefined,
  ): Promise<Bare> {
    const { turns, notice } = this.#parts;
    const plan = planOfKnown([...budgets.values()], []);
    if (permit !== undefined) return turns.alone(organization, operation, { plan, permit });
    notice(`Redis has lost the hold of ${id}; its cost is counted from what this process remembers`);
    return turns.ask(organization, operation, plan);
  }

  async release(message: Extract<Message, { op: 'release' }>, permit?: string): Promise<void> {
    const { turns, memory } = this.#parts;
    const { id, organization, nonce } = message;
    const operation = [3, id, nonce];
    if (permit === undefined) {
      await turns.ask(organization, operation, undefined, () => memory.acknowledge(message));
      return;
    }
    await turns.alone(organization, operation, { permit });
    memory.acknowledge(message);
  }
}
