import { LedgerUnavailable } from '../ledger.ts';
import { Lines } from '../lines.ts';
import { type Answer, answersOf } from './answers.ts';
import { type Asked, awaited, type Operation } from './asked.ts';
import type { Epochs } from './epoch.ts';
import type { Receiver } from './in-flight.ts';
import type { Line } from './line.ts';
import { baseOf, type Plan } from './plan.ts';
import { scripts } from './scripts.ts';
import { Opening, wired } from './wired.ts';

/** Operations in one script: together they keep Redis from everyone else for about a millisecond. */
const operations_max = 100;
/** A real settlement may replace the reaper's estimate this long. */
const estimate_ms = 7 * 86_400_000;
const comma = Buffer.from(',');
const end = Buffer.from(']]');
/** How long an operation that rides waits for another one to go with; twice as long at most. */
const ride_ms = 3;

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

/** What is asked of an organisation and has not left, in its order. */
interface Queue {
  readonly organization: string;
  readonly base: string;
  readonly leases: string;
  readonly opening: Opening;
  asked: Asked[];
  /** It leaves when this turn of the event loop is over; otherwise all of it rides. */
  leaving: boolean;
  /** The timer looks at it. */
  watched: boolean;
  /** When the first one came that rides; monotonic. */
  since_ms: number;
}

type Words = string[];
/** Where what comes before every key stands among the words of a script, what is asked, and the first plan. */
const [base_at, asked_at, plans_at] = [4, 5, 6];

/** Counts all turns of this process: a plan keeps the last one it is in. */
let turns = 0;

/**
 * What is asked of an organisation in one turn of the event loop goes to Redis as one script, in the order it was asked.
 * Nobody waits for a fuller one: it leaves when the turn is over. Only what says that it may, rides with what comes next.
 */
export class Turns {
  readonly #options: TurnsOptions;
  readonly #queues = new Map<string, Queue>();
  #leaving: Queue[] = [];
  #watched: Queue[] = [];
  #timer: NodeJS.Timeout | undefined;
  /** What is asked in the script that is being put together. */
  readonly #text = new Lines();
  /** How far the server's clock is ahead; never below the truth by more than an answer's way here. */
  #ahead_ms = Number.NEGATIVE_INFINITY;

  constructor(options: TurnsOptions) {
    this.#options = options;
  }

  /** Leaves with this turn, and so does all that rides before it. */
  push(organization: string, asked: Asked): void {
    const queue = this.#of(organization);
    queue.asked.push(asked);
    this.#begin(queue);
  }

  /** Leaves with whatever is asked next of that organisation, or a few milliseconds later. */
  ride(organization: string, asked: Asked): void {
    const queue = this.#of(organization);
    if (queue.asked.push(asked) > 1) return;
    queue.since_ms = performance.now();
    if (!queue.watched) {
      queue.watched = true;
      this.#watched.push(queue);
    }
    this.#timer ??= setTimeout(this.#look, ride_ms);
  }

  /** Nothing rides any longer. */
  depart(): void {
    for (const queue of this.#watched) if (queue.asked.length > 0) this.#begin(queue);
  }

  /** Sends what rides or is about to leave, now: what is sent after it finds it done. */
  hurry(organization: string): void {
    const queue = this.#queues.get(organization);
    if (queue !== undefined) this.#go(queue);
  }

  /** `push` for who awaits the answer; `heard` is told it before anyone goes on. */
  ask(organization: string, operation: Operation, plan?: Plan, heard?: (answer: Answer) => void): Promise<Answer> {
    return new Promise((resolve, reject) => {
      this.push(organization, awaited(operation, plan, resolve, reject, heard));
    });
  }

  /** One operation by itself, now: with a deadline of its own, or under a permit of its own. */
  alone(organization: string, operation: Operation, alone: Alone): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const all = [awaited(operation, alone.plan, resolve, reject)];
      const queue = this.#of(organization);
      void this.#run(queue, all, this.#words(queue, '', all), alone);
    });
  }

  /** The server's clock, as far as it is known. */
  now(): number {
    return Date.now() + (Number.isFinite(this.#ahead_ms) ? this.#ahead_ms : 0);
  }

  #of(organization: string): Queue {
    let queue = this.#queues.get(organization);
    if (queue === undefined) {
      const base = baseOf(this.#options.prefix, organization);
      const state = { opening: new Opening(asked_at), asked: [], leaving: false, watched: false, since_ms: 0 };
      queue = { organization, base, leases: `${base}leases`, ...state };
      this.#queues.set(organization, queue);
    }
    return queue;
  }

  #begin(queue: Queue): void {
    if (queue.leaving) return;
    queue.leaving = true;
    if (this.#leaving.push(queue) === 1) process.nextTick(this.#leave);
  }

  readonly #leave = (): void => {
    const queues = this.#leaving;
    this.#leaving = [];
    for (const queue of queues) {
      queue.leaving = false;
      this.#go(queue);
    }
  };

  #go(queue: Queue): void {
    const all = queue.asked;
    if (all.length === 0) return;
    queue.asked = [];
    if (all.length <= operations_max) this.#send(queue, all);
    else {
      for (let at = 0; at < all.length; at += operations_max) this.#send(queue, all.slice(at, at + operations_max));
    }
  }

  /** Sends what has ridden long enough. */
  readonly #look = (): void => {
    this.#timer = undefined;
    const watched = this.#watched;
    this.#watched = [];
    const due_ms = performance.now() - ride_ms;
    for (const queue of watched) {
      queue.watched = queue.asked.length > 0 && !queue.leaving && queue.since_ms > due_ms;
      if (queue.watched) this.#watched.push(queue);
      else if (queue.asked.length > 0) this.#begin(queue);
    }
    if (this.#watched.length > 0) this.#timer = setTimeout(this.#look, ride_ms);
  };

  #send(queue: Queue, all: readonly Asked[]): void {
    const { line, epochs } = this.#options;
    const permit = epochs.permitOf(queue.organization);
    const words = this.#words(queue, permit ?? '', all);
    if (permit === undefined || all.every(isReading)) {
      void this.#run(queue, all, words);
      return;
    }
    const receiver: Receiver = {
      answered: (value) => {
        // As bytes only what was done; else the primary is another one than was met.
        if (Buffer.isBuffer(value)) this.#told(value, all);
        else {
          epochs.refused(queue.organization, permit);
          void this.#run(queue, all, words);
        }
      },
      failed: (error) => this.#failed(error, queue, all),
    };
    line.ask(scripts.turn, words, receiver, wired(queue.opening, words));
  }

  async #run(queue: Queue, all: readonly Asked[], words: Words, alone: Alone = {}): Promise<void> {
    const { line, epochs } = this.#options;
    const [keys, args] = [[queue.leases], words.slice(base_at)];
    let answer: unknown;
    try {
      answer = all.every(isReading)
        ? await line.run(scripts.turn, keys, args)
        : await epochs.run(scripts.turn, queue.organization, keys, args, alone);
    } catch (error) {
      this.#failed(error, queue, all, alone);
      return;
    }
    this.#told(Buffer.from(String(answer)), all);
  }

  /** A script that fails has written nothing: what failed is one of its operations, and the others are well. */
  #failed(error: unknown, queue: Queue, all: readonly Asked[], alone: Alone = {}): void {
    if (all.length > 1 && !(error instanceof LedgerUnavailable)) {
      for (const one of all) void this.#run(queue, [one], this.#words(queue, '', [one]), alone);
    } else {
      for (const one of all) one.failed(error);
    }
  }

  /** The script's digest, its keys, what comes before every key, what is asked, and the texts of the plans it names. */
  #words(queue: Queue, permit: string, all: readonly Asked[]): Words {
    turns += 1;
    const words: Words = [scripts.turn.sha, '2', queue.leases, permit, queue.base, ''];
    const text = this.#text;
    text.clear();
    text.letters(`[${this.now() + this.#options.deadline_ms},${estimate_ms},[`);
    for (const one of all) {
      const { plan } = one;
      if (plan !== undefined && plan.turn !== turns) {
        plan.turn = turns;
        plan.place = words.push(plan.text) - plans_at - 1;
      }
      if (one !== all[0]) text.put(comma);
      one.write(text, plan?.place);
    }
    text.put(end);
    words[asked_at] = text.bytes.toString('utf8', 0, text.size);
    return words;
  }

  #told(bytes: Buffer, all: readonly Asked[]): void {
    let answers: readonly Answer[] = [];
    try {
      answers = answersOf(bytes);
    } catch {
      // Nobody finds an answer then.
    }
    const first = answers[0];
    if (first !== undefined) {
      const measured_ms = first.now_ms - Date.now();
      const turned = answers.some(({ code }) => code === 3);
      this.#ahead_ms = turned ? measured_ms : Math.max(this.#ahead_ms, measured_ms);
    }
    for (let at = 0; at < all.length; at += 1) {
      const [one, answer] = [all[at], answers[at]];
      if (answer === undefined) one?.failed(new Error('Redis answered fewer operations than were asked'));
      else tell(one, answer);
    }
  }
}

/** What one does not understand of its answer is no other's fault. */
function tell(one: Asked | undefined, answer: Answer): void {
  try {
    one?.told(answer);
  } catch (error) {
    one?.failed(error);
  }
}

function isReading({ reading }: Asked): boolean {
  return reading;
}
