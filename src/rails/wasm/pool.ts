import { Worker } from 'node:worker_threads';
import { Breaker } from './breaker.ts';
import { type WasmModule, wasmLimits } from './module.ts';
import { verdictIn, type WasmVerdict } from './verdict.ts';
import { workerSource } from './worker-source.ts';

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

interface Job {
  readonly id: number;
  readonly module: WasmModule;
  readonly input: string;
  readonly timer: NodeJS.Timeout;
  done(verdict: WasmVerdict, failed: boolean): void;
}

interface Seat {
  readonly worker: Worker;
  /** Modules it was handed. */
  readonly known: Set<string>;
  job: Job | undefined;
}

/** Opens a pool; its threads are started when they are first needed, and keep no process alive. */
export function openWasmPool(options: WasmPoolOptions = {}): WasmPool {
  return new Pool(options);
}

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
    if (this.#closed) return Promise.resolve({ unable: 'the pool of WASM threads is closed' });
    if (!this.#breaker.asks(module.hash, performance.now()))
      return Promise.resolve({ unable: 'it failed too often lately, and is not asked for a while' });
    if (this.#waiting.length >= this.#waitingMax)
      return Promise.resolve({ unable: 'too many evaluations wait for a thread' });
    return new Promise((resolve) => {
      const id = ++this.#count;
      const job: Job = {
        id,
        module,
        input,
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
    for (const job of this.#waiting.splice(0)) job.done({ unable: 'the pool of WASM threads is closed' }, false);
    const seats = [...this.#seats];
    this.#seats.clear();
    for (const { job } of seats) job?.done({ unable: 'the pool of WASM threads is closed' }, false);
    await Promise.all(seats.map(({ worker }) => worker.terminate()));
  }

  #next(): void {
    while (this.#waiting.length > 0 && !this.#closed) {
      const seat = [...this.#seats].find(({ job }) => job === undefined) ?? this.#started();
      if (seat === undefined) return;
      const job = this.#waiting.shift() as Job;
      seat.job = job;
      const { id, input, module } = job;
      const message = { id, hash: module.hash, input };
      seat.worker.postMessage(seat.known.has(module.hash) ? message : { ...message, module: module.module });
      seat.known.add(module.hash);
    }
  }

  #started(): Seat | undefined {
    if (this.#seats.size >= this.#threads) return undefined;
    const worker = new Worker(workerSource, {
      eval: true,
      env: {},
      stdin: false,
      workerData: wasmLimits,
      resourceLimits: { maxOldGenerationSizeMb: 64, maxYoungGenerationSizeMb: 16, stackSizeMb: 2 },
    });
    worker.unref();
    const seat: Seat = { worker, known: new Set(), job: undefined };
    this.#seats.add(seat);
    worker.on('message', (answer: { id: number; text?: string; unable?: string }) => this.#answer(seat, answer));
    worker.on('error', (error) => this.#lose(seat, `its thread ended: ${error.message}`));
    worker.on('exit', () => this.#lose(seat, 'its thread ended'));
    return seat;
  }

  #answer(seat: Seat, { id, text, unable }: { id: number; text?: string; unable?: string }): void {
    const { job } = seat;
    if (job?.id !== id) return;
    seat.job = undefined;
    if (text === undefined) job.done({ unable: unable ?? 'it gave nothing' }, true);
    else {
      const verdict = verdictIn(text);
      // What a module says it cannot tell is an answer; what it cannot even say is a failure.
      job.done(verdict, 'unable' in verdict && !text.includes('"unable"'));
    }
    this.#next();
  }

  #expire(job: Job, deadline_ms: number): void {
    const at = this.#waiting.indexOf(job);
    if (at >= 0) {
      this.#waiting.splice(at, 1);
      job.done({ unable: `no thread was free within ${deadline_ms} ms` }, false);
      return;
    }
    const seat = [...this.#seats].find((one) => one.job === job);
    if (seat === undefined) return;
    void seat.worker.terminate();
    this.#lose(seat, `it gave no answer within ${deadline_ms} ms`);
  }

  #lose(seat: Seat, why: string): void {
    if (!this.#seats.delete(seat)) return;
    const { job } = seat;
    seat.job = undefined;
    job?.done({ unable: why }, true);
    this.#next();
  }
}
