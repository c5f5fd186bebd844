import { closeSync, openSync, readFileSync, readSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { JobQueue } from '../../stores/index.ts';
import { headText, parseHead, type SignedHead, signHead } from './head.ts';
import { genesis, parseLine, type SpooledRecord } from './line.ts';
import { listSegments, segmentFile } from './segment.ts';
import type { Sink } from './sink.ts';
import type { Spool } from './spool.ts';

export interface DeliveryOptions {
  readonly clock: () => number;
  /** Waits this long for more records before a batch goes: fewer jobs and fewer fsyncs. */
  readonly linger_ms: number;
  /** Pause after the first failure; it doubles up to half a minute. */
  readonly retry_ms: number;
  readonly onState: (sink: string, delivering: boolean, error: unknown) => void;
  /** Told after each acknowledged batch. */
  readonly onProgress: () => void;
}

interface Batch {
  readonly from: number;
  readonly to: number;
  readonly hash: string;
  readonly lines: readonly string[];
  readonly segment: number;
  readonly offset: number;
}

const batch_bytes_max = 1 << 21;
/** Records in a batch from which on the next one waits longer: under load fewer, larger batches cost a call less. */
const busy_records = 256;
const busy_linger_factor = 5;
/** How often the position is written down at the most; after a restart a sink leaves out what it has already. */
const cursor_ms = 1000;
const retry_ms_max = 30_000;

/** Takes a job's payload apart: the sink's name, then the lines. */
export function readPayload(payload: string): { readonly sink: string; readonly records: SpooledRecord[] } {
  const [sink = '', ...lines] = payload.split('\n');
  return {
    sink,
    records: lines.map((text) => {
      const line = parseLine(text);
      if (line === undefined) throw new Error('A job holds a line that is no record');
      return line;
    }),
  };
}

/** Carries one spool's records to one sink, in order and at least once, and remembers how far it has come. */
export class Delivery {
  readonly sink: Sink;
  delivered = 0;
  failed = 0;

  readonly #spool: Spool;
  readonly #queue: JobQueue;
  readonly #options: DeliveryOptions;
  #segment = 0;
  #offset = 0;
  #sealed = 0;
  #working = true;
  #stopping = false;
  #draining = false;
  #wake: (() => void) | undefined;
  #running: Promise<void> | undefined;
  #head: SignedHead;
  #lastCount = 0;
  #cursorAt = Number.NEGATIVE_INFINITY;
  #cursorBehind = false;
  #position: { readonly seq: number; readonly hash: string } = { seq: 0, hash: genesis };

  constructor(spool: Spool, sink: Sink, queue: JobQueue, options: DeliveryOptions) {
    this.sink = sink;
    this.#spool = spool;
    this.#queue = queue;
    this.#options = options;
    this.#head = this.#sign(0, genesis);
    this.#load();
  }

  /** The position that the sink has acknowledged, signed when somebody asks. */
  get head(): SignedHead {
    if (this.#head.seq !== this.#position.seq) this.#head = this.#sign(this.#position.seq, this.#position.hash);
    return this.#head;
  }

  get #cursorFile(): string {
    return join(this.#spool.dir, `cursor-${this.sink.name}.json`);
  }

  #sign(seq: number, hash: string): SignedHead {
    const { id, keys } = this.#spool;
    const head = {
      spool: id,
      seq,
      hash,
      at_ms: this.#options.clock(),
      sink: this.sink.name,
      place: this.sink.place ?? '',
    };
    return signHead(head, keys.signing, keys.signingId);
  }

  #load(): void {
    try {
      const text = readFileSync(this.#cursorFile, 'utf8');
      const head = parseHead(text);
      const { segment, offset } = JSON.parse(text) as { segment?: number; offset?: number };
      // Another place is another sink: it gets everything that is still here.
      if (head?.spool !== this.#spool.id || head.place !== (this.sink.place ?? '')) return;
      this.#head = head;
      this.#position = head;
      const { number, size } = this.#spool.current;
      // Past the end: a power cut took what the sink has already. Reading again is harmless.
      const past = (segment ?? 0) > number || ((segment ?? 0) === number && (offset ?? 0) > size);
      this.#segment = past ? 0 : (segment ?? 0);
      this.#offset = past ? 0 : (offset ?? 0);
    } catch {
      // None yet: from the beginning. What the sink has already it leaves out.
    }
  }

  /** The first segment this sink still needs. */
  get segment(): number {
    return this.#segment;
  }

  start(): void {
    this.#running = this.#run();
  }

  wake(): void {
    this.#wake?.();
  }

  /** Delivers what is there, for at most `grace_ms`; the rest waits in the spool. */
  async close(grace_ms: number): Promise<void> {
    this.#draining = true;
    const timer = setTimeout(() => {
      this.#stopping = true;
      this.#wake?.();
    }, grace_ms);
    this.#wake?.();
    await this.#running;
    clearTimeout(timer);
    await this.seal();
  }

  /** Gives the sink a signed position, where it moved. A sink that fails at it gets the next one. */
  async seal(): Promise<void> {
    if (this.sink.seal === undefined || this.head.seq === this.#sealed) return;
    const head = this.head;
    try {
      await this.sink.seal(head);
      this.#sealed = head.seq;
    } catch (error) {
      this.#setWorking(false, error);
    }
  }

  async #run(): Promise<void> {
    let pause_ms = this.#options.retry_ms;
    while (!this.#stopping) {
      const batch = this.#read();
      if (batch === undefined) {
        if (this.#cursorBehind) this.#writeCursor();
        if (this.#draining) return;
        await this.#sleep(undefined);
        const factor = this.#lastCount >= busy_records ? busy_linger_factor : 1;
        if (!this.#draining) await this.#sleep(this.#options.linger_ms * factor);
        continue;
      }
      const { from, to, lines } = batch;
      try {
        const id = `${this.#spool.id}.${this.sink.name}.${from}-${to}`;
        await this.#queue.submit({ id, payload: `${this.sink.name}\n${lines.join('\n')}` });
      } catch (error) {
        this.failed += lines.length;
        this.#setWorking(false, error);
        await this.#sleep(pause_ms);
        pause_ms = Math.min(pause_ms * 2, retry_ms_max);
        continue;
      }
      pause_ms = this.#options.retry_ms;
      this.#setWorking(true, undefined);
      this.#acknowledge(batch);
      if (this.#sealed === 0) await this.seal();
    }
  }

  #acknowledge(batch: Batch): void {
    this.delivered += batch.lines.length;
    this.#lastCount = batch.lines.length;
    this.#position = { seq: batch.to, hash: batch.hash };
    this.#segment = batch.segment;
    this.#offset = batch.offset;
    this.#cursorBehind = true;
    if (performance.now() - this.#cursorAt >= cursor_ms) this.#writeCursor();
    this.#options.onProgress();
  }

  #writeCursor(): void {
    this.#cursorAt = performance.now();
    this.#cursorBehind = false;
    const text = `${headText(this.head).slice(0, -1)},"segment":${this.#segment},"offset":${this.#offset}}\n`;
    try {
      writeFileSync(`${this.#cursorFile}.new`, text, { mode: 0o600 });
      renameSync(`${this.#cursorFile}.new`, this.#cursorFile);
    } catch (error) {
      // A full disk: the position stands in memory; after a restart the sink leaves out what it has.
      this.#setWorking(false, error);
    }
  }

  /** The next records, up to half a megabyte; undefined where there are none. */
  #read(): Batch | undefined {
    for (;;) {
      const current = this.#spool.current;
      const number = Math.min(this.#segment, current.number);
      const path = segmentFile(this.#spool.dir, number);
      const size = number === current.number ? current.size : (statSync(path, { throwIfNoEntry: false })?.size ?? 0);
      const found = this.#offset < size ? readRecords(path, this.#offset, size) : undefined;
      if (found !== undefined) {
        this.#segment = number;
        this.#offset = found.offset;
        const first = found.lines[0];
        const last = found.lines.at(-1);
        if (first === undefined || last === undefined) continue;
        // Taken back when the batch fails: the position moves only with the sink's word.
        this.#offset = found.start;
        const to = parseLine(last);
        const from = parseLine(first);
        if (from === undefined || to === undefined) throw new Error(`${path} holds a line that is no record`);
        return { from: from.seq, to: to.seq, hash: to.hash, lines: found.lines, segment: number, offset: found.offset };
      }
      if (number >= current.number) return undefined;
      this.#segment = listSegments(this.#spool.dir).find((one) => one > number) ?? current.number;
      this.#offset = 0;
    }
  }

  #setWorking(working: boolean, error: unknown): void {
    if (this.#working === working) return;
    this.#working = working;
    this.#options.onState(this.sink.name, working, error);
  }

  /** Until woken, or until the time is over. While pausing after a failure only closing wakes it. */
  #sleep(ms: number | undefined): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        clearTimeout(timer);
        this.#wake = undefined;
        resolve();
      };
      const timer = ms === undefined ? undefined : setTimeout(done, ms);
      this.#wake = ms === undefined || this.#draining ? done : () => this.#draining && done();
    });
  }
}

/** Record lines between two offsets of a segment, as many whole ones as fit a batch. */
function readRecords(path: string, start: number, size: number) {
  const fd = openSync(path, 'r');
  try {
    for (let length = batch_bytes_max; ; length *= 2) {
      const bytes = Buffer.allocUnsafe(Math.min(length, size - start));
      const got = readSync(fd, bytes, 0, bytes.length, start);
      const end = bytes.subarray(0, got).lastIndexOf(10) + 1;
      if (end === 0 && got === bytes.length && bytes.length < size - start) continue;
      if (end === 0) return undefined;
      const lines = bytes
        .toString('utf8', 0, end - 1)
        .split('\n')
        .filter((line) => line.startsWith('{"v":1,'));
      return { lines, start, offset: start + end };
    }
  } finally {
    closeSync(fd);
  }
}
