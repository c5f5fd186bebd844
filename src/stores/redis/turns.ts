import { type Budget, LedgerUnavailable, type Rate } from '../ledger.ts';
import { type Answer, codeOf } from './answers.ts';
import type { Epochs } from './epoch.ts';
import type { Line } from './line.ts';
import { baseOf, type Plan, planOf } from './plan.ts';
import { scripts } from './scripts.ts';

/** As `lua/turn.ts` has them; the place of a plan is filled in when it is sent. */
export type Operation = (string | number)[];

interface Asked {
  readonly operation: Operation;
  readonly plan: Plan | undefined;
  readonly heard: ((answer: Bare) => void) | undefined;
  readonly resolve: (answer: Bare) => void;
  readonly reject: (error: unknown) => void;
}

export type Bare = Pick<Answer, 'list' | 'raised' | 'now_ms'>;

/** Operations in one script: together they keep Redis from everyone else for about a millisecond. */
const operations_max = 100;
/** `Operation`'s code for one that changes nothing, and needs no epoch. */
const reading = 4;
/** A real settlement may replace the reaper's estimate this long. */
const estimate_ms = 7 * 86_400_000;
const tries_max = 4;

export interface Alone {
  readonly plan?: Plan;
  readonly permit?: string | undefined;
  readonly deadline_ms?: number;
}

export interface TurnsOptions {
  readonly line: Line;
  readonly epochs: Epochs;
  /** `llm:`, or nothing. */
  readonly prefix: string;
  readonly deadline_ms: number;
}

/**
 * What is asked of an organisation in one turn of the event loop goes to Redis as one script, in the order it was asked.
 * Nobody waits for a fuller one: it leaves when the turn is over.
 */
export class Turns {
  readonly #options: TurnsOptions;
  #queues = new Map<string, Asked[]>();
  /** How far the server's clock is ahead; never below the truth by more than an answer's way here. */
  #ahead_ms = Number.NEGATIVE_INFINITY;

  constructor(options: TurnsOptions) {
    this.#options = options;
  }

  /** `heard` is told answers in the order they were given, before anyone goes on. */
  ask(organization: string, operation: Operation, plan?: Plan, heard?: (answer: Bare) => void): Promise<Bare> {
    return new Promise((resolve, reject) => {
      const asked = { operation, plan, heard, resolve, reject };
      if (this.#queues.size === 0) setImmediate(this.#leave);
      const queue = this.#queues.get(organization);
      if (queue === undefined) this.#queues.set(organization, [asked]);
      else queue.push(asked);
    });
  }

  /** Asks in the windows of the server's moment: when one has turned meanwhile, again in the new one. */
  async timely(
    organization: string,
    budgets: readonly Budget[],
    rates: readonly Rate[],
    operation: Operation,
    heard?: (answer: Answer) => void,
  ): Promise<Answer> {
    for (let tries = 0; tries < tries_max; tries++) {
      const plan = planOf(budgets, rates, this.#now());
      const hear = heard === undefined ? undefined : (answer: Bare) => heard({ ...answer, plan });
      const answer = await this.ask(organization, [...operation], plan, hear);
      if (codeOf(answer) !== 3) return { ...answer, plan };
    }
    throw new LedgerUnavailable('the clock of Redis does not agree with itself');
  }

  /** One operation by itself, now: with a deadline of its own, or under a permit of its own. */
  alone(organization: string, operation: Operation, alone: Alone): Promise<Bare> {
    return new Promise((resolve, reject) => {
      void this.#send(organization, [{ operation, plan: alone.plan, heard: undefined, resolve, reject }], alone);
    });
  }

  #now(): number {
    return Date.now() + (Number.isFinite(this.#ahead_ms) ? this.#ahead_ms : 0);
  }

  readonly #leave = (): void => {
    const queues = this.#queues;
    this.#queues = new Map();
    for (const [organization, queue] of queues) {
      for (let at = 0; at < queue.length; at += operations_max) {
        void this.#send(organization, queue.slice(at, at + operations_max));
      }
    }
  };

  async #send(organization: string, all: readonly Asked[], alone: Alone = {}): Promise<void> {
    const { line, epochs, prefix } = this.#options;
    const base = baseOf(prefix, organization);
    try {
      const [keys, args] = [[`${base}leases`], [base, this.#text(all)]];
      const answer = all.every(({ operation }) => operation[0] === reading)
        ? await line.run(scripts.turn, keys, args)
        : await epochs.run(scripts.turn, organization, keys, args, alone);
      this.#told(answer as readonly unknown[], all);
    } catch (error) {
      // A script that fails has written nothing: what failed is one of its operations, and the others are well.
      if (all.length > 1 && !(error instanceof LedgerUnavailable)) {
        for (const one of all) void this.#send(organization, [one], alone);
      } else {
        for (const one of all) one.reject(error);
      }
    }
  }

  #text(all: readonly Asked[]): string {
    const places = new Map<string, number>();
    const sources: string[] = [];
    const operations = all.map(({ operation, plan }) => {
      if (plan === undefined) return operation;
      let place = places.get(plan.text);
      if (place === undefined) {
        place = sources.push(plan.text) - 1;
        places.set(plan.text, place);
      }
      operation[2] = place;
      return operation;
    });
    const not_after_ms = this.#now() + this.#options.deadline_ms;
    return JSON.stringify([not_after_ms, estimate_ms, sources, operations]);
  }

  #told(answer: readonly unknown[], all: readonly Asked[]): void {
    const [, time, raised, ...lists] = answer;
    const now_ms = Number(time);
    const measured_ms = now_ms - Date.now();
    const turned = lists.some((list) => Array.isArray(list) && list[0] === 3);
    this.#ahead_ms = turned ? measured_ms : Math.max(this.#ahead_ms, measured_ms);
    for (const [at, one] of all.entries()) {
      const list = lists[at];
      if (!Array.isArray(list)) {
        one.reject(new Error('Redis answered fewer operations than were asked'));
        continue;
      }
      const answer = { list, raised: raised === 1, now_ms };
      one.heard?.(answer);
      one.resolve(answer);
    }
  }
}
