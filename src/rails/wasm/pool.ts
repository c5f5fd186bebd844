import type { Worker } from 'node:worker_threads';
import { Breaker } from './breaker.ts';
import type { WasmModule } from './module.ts';
import { type Answer, type Job, places, Seat } from './seat.ts';
import { verdictIn, type WasmVerdict } from './verdict.ts';

export interface WasmPoolOptions {
  /** Threads. Default 2. */
  readonly threads?: number;
  /** Evaluations that may wait for a thread; more are unable at once. Default 1,000. */
  readonly waiting_max?: number;
  /** Failures in a row after which a module is not asked for a while. Default 5. */
  readonly failures_max?: number;
  /** How long it is not asked, in ms. Default 10,000. */
  readonly rest_ms?: number;
}

/** Runs modules in threads. What goes wrong in one is `unable`, never an exception, and never "no match". */
export interface WasmPool {
  /** `input` is JSON. Answers within the deadline (ms), waiting included; a thread that is stuck is ended and replaced. */
  evaluate(module: WasmModule, input: string, deadline_ms: number): Promise<WasmVerdict>;
  close(): Promise<void>;
}

/** Opens a pool; its threads are started when they are first needed, and keep no process alive. */
export function openWasmPool(options: WasmPoolOptions = {}): WasmPool {
  return new Pool(options);
}

const closed: WasmVerdict = { unable: 'the pool of WASM threads is closed' };
/** Numbers of questions fit into 31 bits. */
const id_max = 0x7fffffff;

class Pool implements WasmPool {
  readonly #threads: number;
  readonly #waitingMax: number;
  readonly #breaker: Breaker;
  readonly #seats = new Set<Seat>();
  readonly #waiting: Job[] = [];
  #count = 0;
  #closed = false;

  constructor({ threads = 2, waiting_max = 1_000, failures_max = 5, rest_ms = 10_000 }: WasmPoolOptions) {
    this.#threads = threads;
    this.#waitingMax = waiting_max;
    this.#breaker = new Breaker(failures_max, rest_ms);
  }

  evaluate(module: WasmModule, input: string, deadline_ms: number): Promise<WasmVerdict> {
    if (this.#closed) return Promise.resolve(closed);
    if (!this.#breaker.asks(module.hash, performance.now()))
      return Promise.resolve({ unable: 'it failed too often lately, and is not asked for a while' });
    if (this.#waiting.length >= this.#waitingMax)
      return Promise.resolve({ unable: 'too many evaluations wait for a thread' });
    return new Promise((resolve) => {
      this.#count = (this.#count % id_max) + 1;
      const job: Job = {
        id: this.#count,
        module,
        input,
        seat: undefined,
        timer: setTimeout(() => this.#expire(job, deadline_ms), deadline_ms),
        done: (verdict, failed) => {
          clearTimeout(job.timer);
          this.#breaker.note(module.hash, failed, performance.now());
          resolve(verdict);
        },
      };
      this.#waiting.push(job);
      this.#next();
    });
  }

  async close(): Promise<void> {
    this.#closed = true;
    for (const job of this.#waiting.splice(0)) job.done(closed, false);
    const seats = [...this.#seats];
    this.#seats.clear();
    for (const job of seats.flatMap((seat) => seat.jobs)) job.done(closed, false);
    await Promise.all(seats.map(({ worker }) => worker.terminate()));
  }

  /** Hands out what waits, to the thread with the least in front of it. */
  #next(): void {
    while (this.#waiting.length > 0 && !this.#closed) {
      const seat = this.#freest();
      if (seat === undefined) return;
      seat.take(this.#waiting.shift() as Job);
    }
    if (!this.#closed) this.#share();
  }

  #freest(): Seat | undefined {
    let best: Seat | undefined;
    for (const seat of this.#seats) if (best === undefined || seat.busy < best.busy) best = seat;
    if (best?.busy !== 0 && this.#seats.size < this.#threads) return this.#started();
    return best === undefined || best.busy >= places ? undefined : best;
  }

  /** A thread with nothing to do gets half of what another has not begun. */
  #share(): void {
    if (this.#seats.size < 2) return;
    let [idle, most]: [Seat | undefined, Seat | undefined] = [undefined, undefined];
    for (const seat of this.#seats) {
      if (seat.busy === 0) idle = seat;
      else if (most === undefined || seat.busy > most.busy) most = seat;
    }
    if (idle === undefined || most === undefined || most.busy < 2) return;
    for (const job of most.giveBack(most.busy >> 1)) idle.take(job);
  }

  #started(): Seat {
    const seat: Seat = new Seat((worker: Worker) => {
      worker.on('message', (answer: Answer) => this.#answer(seat, answer));
      worker.on('error', (error) => this.#lose(seat, `its thread ended: ${error.message}`));
      worker.on('exit', () => this.#lose(seat, 'its thread ended'));
    });
    this.#seats.add(seat);
    return seat;
  }

  #answer(seat: Seat, answer: Answer): void {
    const job = seat.answered(answer);
    if (job === undefined) return;
    const { text, unable } = answer;
    if (text === undefined) job.done({ unable: unable ?? 'it gave nothing' }, true);
    else {
      const verdict = verdictIn(text);
      // What a module says it cannot tell is an answer; what it cannot even say is a failure.
      job.done(verdict, 'unable' in verdict && !text.includes('"unable"'));
    }
    this.#next();
  }

  #expire(job: Job, deadline_ms: number): void {
    const { seat } = job;
    const at = seat === undefined ? this.#waiting.indexOf(job) : -1;
    if (at >= 0) this.#waiting.splice(at, 1);
    if (at >= 0 || seat?.takeBack(job) === true) {
      job.done({ unable: `no thread was free within ${deadline_ms} ms` }, false);
      return;
    }
    // What is answered already only waits for us to hear it.
    if (seat === undefined || !seat.worksOn(job)) return;
    void seat.worker.terminate();
    this.#lose(seat, `it gave no answer within ${deadline_ms} ms`);
  }

  /** What a thread was at fails with it; what it had not begun is asked of another. */
  #lose(seat: Seat, why: string): void {
    if (!this.#seats.delete(seat)) return;
    const { jobs } = seat;
    const begun = jobs.filter((job) => seat.worksOn(job));
    const failed = begun.length > 0 ? begun : jobs;
    for (const job of jobs) job.seat = undefined;
    this.#waiting.unshift(...jobs.filter((job) => !failed.includes(job)));
    for (const job of failed) job.done({ unable: why }, true);
    this.#next();
  }
}
