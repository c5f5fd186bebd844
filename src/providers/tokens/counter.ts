import { Worker } from 'node:worker_threads';
import { countTokens } from './count.ts';
import type { CountAnswer, CountJob } from './count-thread.ts';
import type { EncodingName } from './encoding.ts';
import { loadTable } from './load-table.ts';
import { RankTable } from './rank-table.ts';

/** Counts tokens exactly, for when a bound does not decide. */
export interface TokenCounter {
  /**
   * Tokens of these texts together, each by itself; undefined where they are too long, where it takes too long, or where
   * too many wait: then a bound must do. Never rejects.
   */
  count(encoding: EncodingName, texts: readonly string[]): Promise<number | undefined>;
  /** Nothing is counted any more; what waits is told undefined. */
  close(): Promise<void>;
}

export interface TokenCounterSettings {
  /** Texts of more UTF-16 units are counted off the event loop. */
  readonly inlineLengthMax?: number;
  /** Texts of more are not counted. */
  readonly lengthMax?: number;
  readonly deadline_ms?: number;
  /** Jobs that may wait for the thread. */
  readonly waitingMax?: number;
  /** The thread's program. */
  readonly thread?: URL;
}

/** A thread that ends this often by itself is not started again: short texts are counted here, long ones by a bound. */
const failuresMax = 3;

/** One thread for all encodings, started when it is first needed. It does not keep the process alive. */
export function openTokenCounter(settings: TokenCounterSettings = {}): TokenCounter {
  return new ThreadCounter(settings);
}

class ThreadCounter implements TokenCounter {
  readonly #inlineLengthMax: number;
  readonly #lengthMax: number;
  readonly #deadline_ms: number;
  readonly #waitingMax: number;
  readonly #program: URL;
  readonly #tables = new Map<EncodingName, RankTable>();
  readonly #waiting = new Map<number, (tokens: number | undefined) => void>();
  #thread: Worker | undefined;
  #failures = 0;
  #lastId = 0;
  #closed = false;

  constructor(settings: TokenCounterSettings) {
    this.#inlineLengthMax = settings.inlineLengthMax ?? 16_384;
    this.#lengthMax = settings.lengthMax ?? 4_194_304;
    this.#deadline_ms = settings.deadline_ms ?? 1000;
    this.#waitingMax = settings.waitingMax ?? 64;
    this.#program = settings.thread ?? new URL('./count-thread.js', import.meta.url);
  }

  async count(encoding: EncodingName, texts: readonly string[]): Promise<number | undefined> {
    let length = 0;
    for (const text of texts) length += text.length;
    if (this.#closed || length > this.#lengthMax) return undefined;
    if (length > this.#inlineLengthMax) return this.#elsewhere(encoding, texts);
    const table = this.#tables.get(encoding);
    if (table !== undefined) return counted(table, encoding, texts);
    // The thread builds the table and shares it: built here it would hold up every other call.
    const tokens = await this.#elsewhere(encoding, texts);
    if (tokens !== undefined || this.#closed || this.#failures === 0) return tokens;
    try {
      return counted(await this.#tableHere(encoding), encoding, texts);
    } catch {
      // No descriptor left to read the ranks with: whoever asks settles, and goes by a bound.
      return undefined;
    }
  }

  async close(): Promise<void> {
    this.#closed = true;
    const thread = this.#thread;
    this.#thread = undefined;
    this.#giveUp();
    await thread?.terminate();
  }

  async #tableHere(encoding: EncodingName): Promise<RankTable> {
    const table = this.#tables.get(encoding) ?? (await loadTable(encoding));
    this.#tables.set(encoding, table);
    return table;
  }

  #elsewhere(encoding: EncodingName, texts: readonly string[]): Promise<number | undefined> {
    if (this.#failures >= failuresMax || this.#waiting.size >= this.#waitingMax) return Promise.resolve(undefined);
    const thread = this.#running();
    if (thread === undefined) return Promise.resolve(undefined);
    this.#lastId += 1;
    const id = this.#lastId;
    return new Promise((resolve) => {
      const timer = setTimeout(() => this.#answered(id, undefined), this.#deadline_ms);
      this.#waiting.set(id, (tokens) => {
        clearTimeout(timer);
        resolve(tokens);
      });
      const job: CountJob = { id, encoding, texts, until_ms: Date.now() + this.#deadline_ms };
      thread.postMessage(job);
    });
  }

  /** Undefined where the machine gives no thread. */
  #running(): Worker | undefined {
    try {
      this.#thread ??= this.#start();
    } catch {
      this.#failures += 1;
    }
    return this.#thread;
  }

  #start(): Worker {
    // Options of the process (a program of its own on the command line) are not the thread's.
    const thread = new Worker(this.#program, { execArgv: [] });
    thread.on('message', (answer: CountAnswer) => {
      if ('memory' in answer) this.#tables.set(answer.encoding, new RankTable(answer.memory));
      else this.#answered(answer.id, answer.tokens);
    });
    const gone = (): void => {
      if (this.#thread !== thread) return;
      this.#thread = undefined;
      this.#failures += 1;
      this.#giveUp();
    };
    thread.on('error', gone);
    thread.on('exit', gone);
    // Listening takes a hold on the process: given back when all listeners are there.
    thread.unref();
    return thread;
  }

  #answered(id: number, tokens: number | undefined): void {
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    waiting?.(tokens);
  }

  #giveUp(): void {
    for (const id of [...this.#waiting.keys()]) this.#answered(id, undefined);
  }
}

function counted(table: RankTable, encoding: EncodingName, texts: readonly string[]): number {
  let tokens = 0;
  for (const text of texts) tokens += countTokens(table, encoding, text) ?? 0;
  return tokens;
}
