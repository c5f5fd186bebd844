import type { Problem } from '../../config.ts';
import type { AuditMeasured, AuditRecord, Figures, QueryFilter } from '../../observe/index.ts';
import type { Lately } from '../../surfaces/decision/lately.ts';
import type { Readiness } from '../serving.ts';
import type { Parcel } from './parcel.ts';

/** What a worker is asked, by the name of the question: what it is told with it, and what it answers. */
export interface Questions {
  /** Open everything and listen. Answers `http://host:port`. */
  start: { readonly told: Start; readonly answer: string };
  /** Build what a configuration needs, without putting it in force. Answers what is wrong with it. */
  prepare: { readonly told: Versioned; readonly answer: readonly Problem[] };
  /** Put in force what was prepared under this number. */
  commit: { readonly told: { readonly version: number }; readonly answer: undefined };
  /** Forget it. */
  discard: { readonly told: { readonly version: number }; readonly answer: undefined };
  figures: { readonly told: undefined; readonly answer: Figures };
  health: { readonly told: undefined; readonly answer: Readiness & { readonly audit: AuditMeasured } };
  recent: { readonly told: QueryFilter; readonly answer: readonly AuditRecord[] };
  /** Evaluations of late, newest first. */
  evaluations: { readonly told: undefined; readonly answer: readonly Lately[] };
  retryAside: { readonly told: undefined; readonly answer: number };
  /** Take no new connections, let calls end, close everything. Answers its last figures; then it ends. */
  drain: { readonly told: { readonly grace_ms: number }; readonly answer: Figures };
}

export type Question = keyof Questions;

export interface Versioned {
  /** Counts up with each configuration. */
  readonly version: number;
  readonly parcel: Parcel;
}

export interface Start extends Versioned {
  readonly slot: number;
  readonly adminListens: boolean;
}

export interface Asked<Q extends Question = Question> {
  readonly id: number;
  readonly ask: Q;
  readonly told: Questions[Q]['told'];
}

/** The answer to the question with this number, or why there is none. */
export interface Answered {
  readonly id: number;
  readonly answer?: unknown;
  readonly failed?: string;
}

/** The number of the first thing a worker says: that it hears questions now. */
export const listening = 0;

/** The number under which a worker that ends by itself tells its last figures. */
export const leaving = -1;

/** A worker that went away, or did not answer in time. */
export class NoAnswerFromWorker extends Error {
  override readonly name = 'NoAnswerFromWorker';
  /** The time it had, where that was over; undefined where it went away. */
  readonly within_ms: number | undefined;

  constructor(message: string, within_ms?: number) {
    super(message);
    this.within_ms = within_ms;
  }
}

/** Asks one worker, over its pipe. */
export class Channel {
  readonly #send: (message: Asked) => void;
  readonly #open = new Map<number, { resolve: (answer: unknown) => void; reject: (error: Error) => void }>();
  #next = listening + 1;
  #gone = false;
  /** Asked before the worker hears. */
  #early: Asked[] | undefined = [];
  #lastFigures: Figures | undefined;

  constructor(send: (message: Asked) => void) {
    this.#send = send;
  }

  /** Rejects with what the worker says is wrong, or with `NoAnswerFromWorker`. */
  async ask<Q extends Question>(
    ask: Q,
    told: Questions[Q]['told'],
    within_ms: number,
  ): Promise<Questions[Q]['answer']> {
    if (this.#gone) throw new NoAnswerFromWorker('the worker is gone');
    const id = this.#next++;
    let timer: NodeJS.Timeout | undefined;
    try {
      return (await new Promise<unknown>((resolve, reject) => {
        this.#open.set(id, { resolve, reject });
        const late = () => reject(new NoAnswerFromWorker(`no answer within ${within_ms} ms`, within_ms));
        timer = setTimeout(late, within_ms);
        if (this.#early === undefined) this.#send({ id, ask, told });
        else this.#early.push({ id, ask, told });
      })) as Questions[Q]['answer'];
    } finally {
      clearTimeout(timer);
      this.#open.delete(id);
    }
  }

  answered({ id, answer, failed }: Answered): void {
    if (id === listening) {
      for (const message of this.#early ?? []) this.#send(message);
      this.#early = undefined;
      return;
    }
    if (id === leaving) {
      this.#lastFigures = answer as Figures;
      return;
    }
    const waiting = this.#open.get(id);
    if (failed === undefined) waiting?.resolve(answer);
    else waiting?.reject(new Error(failed));
  }

  /** What a worker told that ended by itself; undefined where it had no time to. */
  get lastFigures(): Figures | undefined {
    return this.#lastFigures;
  }

  /** The worker's process is over: nobody waits for it. */
  gone(): void {
    this.#gone = true;
    for (const { reject } of this.#open.values()) reject(new NoAnswerFromWorker('the worker is gone'));
  }
}
