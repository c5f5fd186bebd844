import type { Settled } from '../ledger.ts';
import type { Lines } from '../lines.ts';
import { type Answer, type Sum, settled, sumsOf } from './answers.ts';
import type { Asked, Operation } from './asked.ts';
import type { Memory } from './memory.ts';
import type { Message } from './outbox.ts';
import { type Planned, planOfKnown } from './plan.ts';
import type { Turns } from './turns.ts';

export interface SettlingParts {
  readonly prefix: string;
  readonly turns: Turns;
  readonly memory: Memory;
  readonly notice: (message: string) => void;
}

type Settle = Extract<Message, { op: 'settle' }>;

/** Settled and released ids are remembered this long, so that a repeated delivery is known for one. */
const remembered_ms = 600_000;
/** As text: the script hands it on as it is. */
const remembered = String(remembered_ms);
const unnamed: readonly Sum[] = [];

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

  /**
   * Settles, and says when that is over instead of answering: without an error, once it is acknowledged. It may ride with
   * what this process asks next, where nobody can be waiting for what the hold gives back.
   */
  post(message: Settle, over: (message: Settle, error?: unknown) => void): void {
    const { turns, memory } = this.#parts;
    const held = memory.held(message.organization, message.id);
    const posted = new Posted(this, message, held === undefined, over);
    if (held?.roomy === true) turns.ride(message.organization, posted);
    else turns.push(message.organization, posted);
  }

  /** `tell`: whether the budgets as they are afterwards are wanted. */
  async settle(message: Settle, tell: boolean, permit?: string): Promise<Settled> {
    const { turns, memory } = this.#parts;
    const { id, organization } = message;
    let mine = memory.budgetsOf(organization, id, permit !== undefined);
    // Of what it does not hold this process must be told which counters they are, to know what they have now.
    const unknown = mine === undefined && permit === undefined;
    const operation = settling(message, tell ? mine?.length || -1 : unknown ? -1 : 0);
    let kept = permit !== undefined;
    let answer =
      permit === undefined
        ? await turns.ask(organization, operation, undefined, (told) => {
            mine = this.known(message) ?? mine;
            kept = this.heard(message, told);
          })
        : await turns.alone(organization, operation, { permit });
    if (answer.code === 2) answer = await this.recover(message, mine, kept, answer, permit);
    else if (permit !== undefined) memory.acknowledge(message);
    const budgets = tell || answer.code === 5 ? settled(answer, mine ?? []) : [];
    return { outcome: answer.code === 1 ? 'repeated' : answer.code === 2 ? 'unknown' : 'settled', budgets };
  }

  /**
   * The counters of what is held under the message's id. Asked the moment the answer is heard: earlier answers of the same
   * turn may have ended what was held and begun it anew under other limits, and later ones may yet.
   */
  known({ organization, id }: Settle): readonly Planned[] | undefined {
    return this.#parts.memory.budgetsOf(organization, id);
  }

  /** Says, of a hold that Redis does not know, whether it is still one here. */
  heard(message: Settle, told: Answer): boolean {
    const { memory } = this.#parts;
    const sums = this.#hear(message, this.known(message), told);
    if (told.code === 2) return memory.held(message.organization, message.id) !== undefined;
    memory.acknowledge(message, sums);
    return false;
  }

  /**
   * Held by us and not known there: the store lost it. What it cost is counted all the same, unless so much time has passed
   * since it was first sent that it may have been settled then and forgotten.
   */
  async recover(
    message: Settle,
    mine: readonly Planned[] | undefined,
    kept: boolean,
    unknown: Answer,
    permit?: string,
  ): Promise<Answer> {
    const { turns, memory, notice } = this.#parts;
    const { id, organization, nusd, tokens, input = 0, estimated, labels = '' } = message;
    const fresh = Date.now() - message.at_ms < remembered_ms / 2;
    let answer = unknown;
    if (mine !== undefined && kept && fresh) {
      const plan = planOfKnown({ budgets: mine, rates: [] });
      const operation = [5, id, 0, nusd, tokens, input, estimated ? '1' : '0', remembered, labels];
      if (permit === undefined) {
        notice(`Redis has lost the hold of ${id}; its cost is counted from what this process remembers`);
        answer = await turns.ask(organization, operation, plan);
        // What is told again was counted when it was told first.
        this.#hear(message, mine, answer);
      } else answer = await turns.alone(organization, operation, { plan, permit });
    }
    if (answer.code !== 2) memory.acknowledge(message);
    else if (kept) memory.drop(organization, id);
    return answer;
  }

  /** What the answer tells of counters; where it names none, what was settled is added to what is known of them. */
  #hear({ organization, nusd, tokens }: Settle, mine: readonly Planned[] | undefined, told: Answer): readonly Sum[] {
    const { memory } = this.#parts;
    if (told.code === 5) {
      const sums = sumsOf(told);
      memory.hearAll(organization, sums, told.now_ms);
      return sums;
    }
    if (mine !== undefined && (told.code === 0 || told.code === 1)) {
      memory.add(organization, mine, nusd, tokens, told.now_ms);
    }
    return unnamed;
  }

  async release(message: Extract<Message, { op: 'release' }>, permit?: string): Promise<void> {
    const { turns, memory } = this.#parts;
    const { id, organization, nonce } = message;
    const operation = [3, id, nonce];
    if (permit === undefined) {
      await turns.ask(organization, operation, undefined, (told) => {
        if (told.code === 5) memory.hearAll(organization, sumsOf(told), told.now_ms);
        memory.acknowledge(message);
      });
      return;
    }
    await turns.alone(organization, operation, { permit });
    memory.acknowledge(message);
  }
}

/** `tell`: how many counters the asker knows and wants to hear of, as the script has it. */
function settling({ id, nusd, tokens, input = 0, estimated, labels = '' }: Settle, tell: number): Operation {
  return [2, id, '', nusd, tokens, input, estimated ? '1' : '0', remembered, tell, labels];
}

const beginning = Buffer.from('[2,');
const behind_id = Buffer.from(',"",');
const comma = Buffer.from(',');
const end = Buffer.from(']');
/** That it was estimated or not, how long it is remembered, and that nothing is to be told. */
const behind_numbers = {
  exact: Buffer.from(`,"0","${remembered}",0,`),
  estimated: Buffer.from(`,"1","${remembered}",0,`),
};
/** The same where all is to be told. */
const behind_unknown = {
  exact: Buffer.from(`,"0","${remembered}",-1,`),
  estimated: Buffer.from(`,"1","${remembered}",-1,`),
};

/** A settlement that nobody awaits. */
class Posted implements Asked {
  readonly reading = false;
  readonly plan = undefined;
  readonly #settling: Settling;
  readonly #message: Settle;
  readonly #unknown: boolean;
  readonly #over: (message: Settle, error?: unknown) => void;

  /** `unknown`: this process holds nothing under that id. */
  constructor(parts: Settling, message: Settle, unknown: boolean, over: (message: Settle, error?: unknown) => void) {
    this.#settling = parts;
    this.#message = message;
    this.#unknown = unknown;
    this.#over = over;
  }

  /** `settling` without telling, where the counters are known. */
  write(text: Lines): void {
    const { id, nusd, tokens, input = 0, estimated, labels = '' } = this.#message;
    text.put(beginning);
    text.quoted(id);
    text.put(behind_id);
    text.whole(nusd);
    text.put(comma);
    text.whole(tokens);
    text.put(comma);
    text.whole(input);
    const behind = this.#unknown ? behind_unknown : behind_numbers;
    text.put(estimated ? behind.estimated : behind.exact);
    text.quoted(labels);
    text.put(end);
  }

  told(answer: Answer): void {
    const message = this.#message;
    const mine = answer.code === 2 ? this.#settling.known(message) : undefined;
    const kept = this.#settling.heard(message, answer);
    if (answer.code !== 2) {
      this.#over(message);
      return;
    }
    this.#settling.recover(message, mine, kept, answer).then(
      () => this.#over(message),
      (error: unknown) => this.#over(message, error),
    );
  }

  failed(error: unknown): void {
    this.#over(this.#message, error);
  }
}
