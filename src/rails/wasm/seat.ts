import { Worker } from 'node:worker_threads';
import { wasmLimits } from './bounds.ts';
import type { WasmModule } from './module.ts';
import type { WasmVerdict } from './verdict.ts';
import { workerSource } from './worker-source.ts';

/** One evaluation. */
export interface Job {
  /** From 1. */
  readonly id: number;
  readonly module: WasmModule;
  readonly input: string;
  readonly timer: NodeJS.Timeout;
  /** The thread it was handed to. */
  seat: Seat | undefined;
  done(verdict: WasmVerdict, failed: boolean): void;
}

/** What a thread says of a question: the module's output, or why there is none. */
export interface Answer {
  readonly id: number;
  readonly place: number;
  readonly text?: string;
  readonly unable?: string;
}

/** Questions a thread may have in front of it, so that it need not wait for the next. */
export const places = 8;

/**
 * A thread, and the questions it was handed. Until it begins one, that can be taken back: both sides claim it in memory
 * they share (`worker-source.ts`).
 */
export class Seat {
  readonly worker: Worker;
  readonly #claims = new Int32Array(new SharedArrayBuffer(places * Int32Array.BYTES_PER_ELEMENT));
  readonly #jobs: (Job | undefined)[] = Array.from({ length: places }, () => undefined);
  /** Modules it was handed. */
  readonly #known = new Set<string>();
  #busy = 0;

  constructor(opened: (worker: Worker) => void) {
    this.worker = new Worker(workerSource, {
      eval: true,
      env: {},
      stdin: false,
      workerData: { ...wasmLimits, claims: this.#claims },
      resourceLimits: { maxOldGenerationSizeMb: 64, maxYoungGenerationSizeMb: 16, stackSizeMb: 2 },
    });
    this.worker.unref();
    opened(this.worker);
  }

  get busy(): number {
    return this.#busy;
  }

  get jobs(): readonly Job[] {
    return this.#jobs.filter((job) => job !== undefined);
  }

  /** Hands it a question; there must be a place. */
  take(job: Job): void {
    const place = this.#jobs.indexOf(undefined);
    const { id, input, module } = job;
    const { hash } = module;
    this.#jobs[place] = job;
    this.#busy++;
    job.seat = this;
    Atomics.store(this.#claims, place, id);
    const question = { id, place, hash, input };
    const known = this.#known.has(hash);
    this.worker.postMessage(known ? question : { ...question, module: module.module, rewind: module.rewind });
    if (!known) this.#known.add(hash);
  }

  /** The job an answer is for; undefined where nobody waits for it any more. */
  answered({ id, place }: Answer): Job | undefined {
    const job = this.#jobs[place];
    if (job?.id !== id) return undefined;
    this.#leave(place);
    return job;
  }

  /** Takes a question back, unless it was begun. */
  takeBack(job: Job): boolean {
    const place = this.#jobs.indexOf(job);
    if (place < 0 || Atomics.compareExchange(this.#claims, place, job.id, 0) !== job.id) return false;
    this.#leave(place);
    job.seat = undefined;
    return true;
  }

  /** Up to so many questions that it has not begun. */
  giveBack(most: number): readonly Job[] {
    const given: Job[] = [];
    for (const job of this.jobs) if (given.length < most && this.takeBack(job)) given.push(job);
    return given;
  }

  worksOn(job: Job): boolean {
    const place = this.#jobs.indexOf(job);
    return place >= 0 && Atomics.load(this.#claims, place) === -job.id;
  }

  #leave(place: number): void {
    this.#jobs[place] = undefined;
    this.#busy--;
  }
}
