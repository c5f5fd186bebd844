import { closeSync, fdatasync, fdatasyncSync, ftruncateSync, writeSync } from 'node:fs';
import { LedgerUnavailable } from '../ledger.ts';
import type { Lines } from '../lines.ts';
import { Frame } from './frames.ts';
import { flushedWord, type Started } from './segments.ts';

interface Waiter {
  readonly resolve: (value: unknown) => void;
  readonly value: unknown;
  readonly reject: (error: Error) => void;
  readonly undo: (() => void) | undefined;
}

/** An open segment; closed once nothing is being flushed to it any more. */
interface Segment {
  readonly file: string;
  readonly fd: number;
  size: number;
  flushing: number;
  retired: boolean;
  /** Bytes that are known to be on the disk, and how many of them the journal says to be. */
  flushed: number;
  told: number;
  /** A flush of it failed: the system may have let go of what it did not write, and no later flush tells of that. */
  spoiled: Error | undefined;
}

export interface JournalOptions {
  readonly fsync: 'group' | 'always';
  readonly segment_bytes_max: number;
  /** Starts the next segment with a snapshot at its head. Throws where there is none then. */
  readonly rotate: () => Started;
  /** Whether the directory is still this process's. Where it is not, `abandon` was called. */
  readonly held: () => boolean;
  readonly notice: (message: string) => void;
}

const group_ms = 50;
const retry_ms = 200;
/** A disk that flushes nothing must not be filled with segments. */
const respite_ms = 5_000;
const none: readonly Waiter[] = [];

/**
 * The append-only journal. Lines of one step, with the promises that go on after it, become one frame and one `write`; a
 * verb resolves after it. What could not be written stays in memory and is written as soon as the disk takes it.
 */
export class Journal {
  readonly #options: JournalOptions;
  #segment: Segment;
  #rotate_bytes: number;
  /** What is pending. */
  readonly #frame = new Frame();
  /** Of what is pending; made with the first of them, as it is mostly the only one. */
  #waiters: Waiter[] | undefined;
  #unsynced: Waiter[] = [];
  #scheduled = false;
  #syncing = false;
  #timer: NodeJS.Timeout | undefined;
  #retry: NodeJS.Timeout | undefined;
  #closed = false;
  /** Monotonic ms until which no other segment takes the place of a spoiled one. */
  #respite_ms = Number.NEGATIVE_INFINITY;
  /** Why nothing can be written at the moment. */
  failure: LedgerUnavailable | undefined;

  constructor(first: Started, options: JournalOptions) {
    this.#options = options;
    this.#segment = this.#began(first);
    this.#rotate_bytes = options.segment_bytes_max;
  }

  /** Writes what is pending and says how far the newest segment reaches. Throws `LedgerUnavailable` where it cannot. */
  position(): { readonly file: string; readonly size: number } {
    this.#flush();
    if (this.failure !== undefined) throw this.failure;
    return { file: this.#segment.file, size: this.#segment.size };
  }

  /** Where the next line belongs, of letters of one byte each; it is to be there before this step is over. */
  next(): Lines {
    if (!this.#scheduled) {
      this.#scheduled = true;
      process.nextTick(this.#flush);
    }
    return this.#frame;
  }

  /** Resolves with `value` once every line so far is written (`always`: on the disk). `undo` is called where it cannot be. */
  commit<T>(value: T, undo?: () => void): Promise<T> {
    const written = this.#frame.empty;
    if (written && this.#unsynced.length === 0 && !this.#syncing) return Promise.resolve(value);
    return new Promise<T>((resolve, reject) => {
      const waiter = { resolve: resolve as (value: unknown) => void, value, reject, undo };
      if (written) this.#unsynced.push(waiter);
      else if (this.#waiters === undefined) this.#waiters = [waiter];
      else this.#waiters.push(waiter);
    });
  }

  /** Writes what is pending now. */
  readonly #flush = (): void => {
    this.#scheduled = false;
    if (this.#frame.empty) return;
    const waiters = this.#waiters ?? none;
    this.#waiters = undefined;
    if (this.#closed || !this.#options.held()) {
      this.#frame.clear();
      const error = this.failure ?? new LedgerUnavailable('the ledger journal is closed');
      for (const waiter of waiters) giveUp(waiter, error);
      return;
    }
    try {
      this.#write();
    } catch (error) {
      this.#failed(error as Error, waiters);
      return;
    }
    this.#frame.clear();
    if (this.failure !== undefined) {
      this.failure = undefined;
      this.#options.notice('the ledger journal can be written again');
    }
    if (this.#options.fsync === 'always') {
      for (const waiter of waiters) this.#unsynced.push(waiter);
    } else {
      for (const waiter of waiters) waiter.resolve(waiter.value);
      this.#timer ??= setTimeout(this.#group, group_ms).unref();
    }
    if (this.#segment.size > this.#rotate_bytes) this.#rotate();
    else this.#makeSound();
    this.#join();
  };

  #write(): void {
    const segment = this.#segment;
    if (segment.flushed > segment.told) {
      segment.told = segment.flushed;
      this.#frame.letters(`${flushedWord} ${segment.flushed}\n`);
    }
    this.#frame.seal();
    const { bytes, size } = this.#frame;
    try {
      for (let done = 0; done < size; ) {
        done += writeSync(segment.fd, bytes, done, size - done, segment.size + done);
      }
    } catch (error) {
      cut(segment);
      throw error;
    }
    segment.size += size;
  }

  /** Holds nobody was told of are given back; what was settled stays settled and is written later. */
  #failed(error: Error, waiters: readonly Waiter[]): void {
    if (this.failure === undefined) this.#options.notice(`the ledger journal cannot be written: ${error.message}`);
    this.failure = unavailable('written', error);
    this.#scheduled = true;
    for (const waiter of waiters) giveUp(waiter, this.failure);
    clearTimeout(this.#retry);
    this.#retry = setTimeout(this.#flush, retry_ms).unref();
  }

  readonly #group = (): void => {
    this.#timer = undefined;
    this.#sync(() => {});
  };

  /** `always`: everything written so far is flushed in one step, and what comes meanwhile in the next. */
  #join(): void {
    if (this.#syncing || this.#unsynced.length === 0) return;
    const waiters = this.#unsynced;
    this.#unsynced = [];
    this.#syncing = true;
    this.#sync(() => {
      this.#syncing = false;
      // A segment that began since has all of it in its head, and that was flushed.
      const { spoiled } = this.#makeSound();
      for (const waiter of waiters) {
        if (spoiled === undefined) waiter.resolve(waiter.value);
        else giveUp(waiter, unavailable('flushed', spoiled));
      }
      this.#join();
    });
  }

  #sync(done: () => void): void {
    const segment = this.#segment;
    const { size } = segment;
    segment.flushing++;
    fdatasync(segment.fd, (error) => {
      segment.flushing--;
      if (error !== null) {
        if (segment.spoiled === undefined)
          this.#options.notice(`the ledger journal cannot be flushed: ${error.message}`);
        segment.spoiled ??= error;
      } else if (segment.spoiled === undefined) segment.flushed = size;
      done();
      if (segment.retired && segment.flushing === 0) closeSync(segment.fd);
    });
  }

  /** Goes on in another segment where this one is spoiled: nothing more can be promised of that. */
  #makeSound(): Segment {
    if (this.#segment.spoiled === undefined) return this.#segment;
    const now_ms = performance.now();
    // What waits to be written names things as the spoiled one does, and the head of another would have it already.
    if (now_ms >= this.#respite_ms && this.#frame.empty && !this.#closed) {
      this.#respite_ms = now_ms + respite_ms;
      this.#rotate();
    }
    return this.#segment;
  }

  #began({ file, fd, size, spoiled }: Started): Segment {
    const flushed = this.#options.fsync === 'always' && spoiled === undefined ? size : 0;
    return { file, fd, size, flushing: 0, retired: false, flushed, told: 0, spoiled };
  }

  #rotate(): void {
    if (!this.#options.held()) return;
    const old = this.#segment;
    if (this.#options.fsync === 'always') flushNow(old);
    try {
      const next = this.#options.rotate();
      this.#segment = this.#began(next);
      this.#rotate_bytes = next.size + this.#options.segment_bytes_max;
    } catch (error) {
      this.#rotate_bytes = old.size + this.#options.segment_bytes_max / 8;
      this.#options.notice(`the ledger journal cannot start a new segment: ${(error as Error).message}`);
      return;
    }
    this.#retire(old);
    clearTimeout(this.#timer);
    this.#group();
  }

  #retire(segment: Segment): void {
    segment.retired = true;
    segment.flushing++;
    fdatasync(segment.fd, () => {
      segment.flushing--;
      if (segment.flushing === 0) closeSync(segment.fd);
    });
  }

  /** The directory is another process's: nothing more is written to it. */
  abandon(): void {
    clearTimeout(this.#timer);
    clearTimeout(this.#retry);
    this.#closed = true;
    this.failure = new LedgerUnavailable(`${this.#segment.file}: another process has taken over its directory`);
    this.#options.notice(`${this.failure.message}; nothing is admitted here until this one is started again`);
  }

  /** Writes and flushes all there is. Throws where it cannot. */
  async close(): Promise<void> {
    clearTimeout(this.#timer);
    clearTimeout(this.#retry);
    this.#flush();
    // What was to be tried again would be written to whatever has the segment's number then.
    this.#closed = true;
    clearTimeout(this.#timer);
    clearTimeout(this.#retry);
    const segment = this.#segment;
    await new Promise<void>((resolve, reject) => {
      fdatasync(segment.fd, (error) => (error === null ? resolve() : reject(error)));
    });
    segment.retired = true;
    if (segment.flushing === 0) closeSync(segment.fd);
    if (this.failure !== undefined) throw this.failure;
  }
}

/** Entries are read out of segments that are over as well: a power cut must not leave one without its end. */
function flushNow(segment: Segment): void {
  try {
    fdatasyncSync(segment.fd);
  } catch (error) {
    segment.spoiled ??= error as Error;
  }
}

/** Half a frame must not stay where the next one will follow. It is written over in any case. */
function cut(segment: Segment): void {
  try {
    ftruncateSync(segment.fd, segment.size);
  } catch {
    // The disk refuses this as well: what counts is the failure to write.
  }
}

function giveUp(waiter: Waiter, error: Error): void {
  waiter.undo?.();
  waiter.reject(error);
}

function unavailable(done: 'written' | 'flushed', cause: Error): LedgerUnavailable {
  return new LedgerUnavailable(`the ledger journal cannot be ${done}: ${cause.message}`, { cause });
}
