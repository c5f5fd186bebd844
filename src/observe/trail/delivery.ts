import { join } from 'node:path';
import { JobFailed, type JobQueue } from '../../stores/index.ts';
import { AsideFile, reasonOf } from './aside.ts';
import { type Batch, batch_bytes_max, readBatch } from './batch.ts';
import { Courier } from './courier.ts';
import { CursorFile, readCursor } from './cursor.ts';
import { type DeliveryOptions, lingerAfter } from './delivery-options.ts';
import { type SignedHead, signHead } from './head.ts';
import { genesis } from './line.ts';
import { Nap } from './nap.ts';
import { Reader } from './reader.ts';
import { RecordConflict, type Sink } from './sink.ts';
import type { Spool } from './spool.ts';
import { Suspicion } from './suspicion.ts';

/**
 * Carries one spool's records to one sink, in order and at least once, and remembers how far it has come. One batch is
 * under way at a time, so that what lies in a queue is bounded and everything else waits in the spool. A sink that takes
 * nothing is waited for; a record it will not take though it takes the one after it is set aside.
 */
export class Delivery {
  readonly sink: Sink;
  delivered = 0;
  failed = 0;

  readonly #spool: Spool;
  readonly #courier: Courier;
  readonly #options: DeliveryOptions;
  readonly #reader: Reader;
  #sealed = 0;
  #working = true;
  #readable = true;
  #stopping = false;
  /** There are records, and it waits for more. */
  #lingering = false;
  readonly #nap = new Nap();
  #running: Promise<void> | undefined;
  #head: SignedHead;
  #lastCount = 0;
  #position: { readonly seq: number; readonly hash: string } = { seq: 0, hash: genesis };
  readonly #cursor: CursorFile;
  readonly #aside: AsideFile;
  readonly #suspicion = new Suspicion();

  constructor(spool: Spool, sink: Sink, queue: JobQueue, options: DeliveryOptions) {
    this.sink = sink;
    this.#spool = spool;
    this.#courier = new Courier(spool.id, sink, queue);
    this.#options = options;
    this.#reader = new Reader(spool, (seq, count) => options.onMissing(sink.name, seq, count));
    this.#head = this.#sign(0, genesis);
    const file = join(spool.dir, `cursor-${sink.name}.json`);
    this.#cursor = new CursorFile(file);
    this.#aside = new AsideFile(spool.dir, sink.name);
    const found = readCursor(file, spool.id, sink.place ?? '');
    // None yet: from the beginning. What the sink has already it leaves out.
    if (found === undefined) return;
    this.#head = found.head;
    this.#position = found.head;
    this.#reader.goOnFrom(found);
  }

  /** The position that the sink has acknowledged, signed when somebody asks. */
  get head(): SignedHead {
    if (this.#head.seq !== this.#position.seq) this.#head = this.#sign(this.#position.seq, this.#position.hash);
    return this.#head;
  }

  #sign(seq: number, hash: string): SignedHead {
    const { id: spool, keys } = this.#spool;
    const { name: sink, place = '' } = this.sink;
    return signHead({ spool, seq, hash, at_ms: this.#options.clock(), sink, place }, keys.signing, keys.signingId);
  }

  /** The first segment this sink still needs. */
  get segment(): number {
    return this.#reader.place.segment;
  }

  start(): void {
    this.#running = this.#run();
  }

  /** There are records. */
  wake(): void {
    if (this.#lingering && !this.#few) this.#nap.cut();
    else this.#nap.wake();
  }

  /** Whether what waits is in memory, and fits a batch. */
  get #few(): boolean {
    const bytes = this.#spool.fresh.bytesAfter(this.taken);
    return bytes !== undefined && bytes < batch_bytes_max;
  }

  /** Delivers what is there, for at most `grace_ms`; the rest waits in the spool. */
  async close(grace_ms: number): Promise<void> {
    const timer = setTimeout(() => {
      this.#stopping = true;
      this.#nap.end();
    }, grace_ms);
    this.#nap.end();
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
    const { retry_ms, retry_ms_max } = this.#options;
    let pause_ms = retry_ms;
    let failing = false;
    while (!this.#stopping && this.#spool.held) {
      if (!failing) await this.#linger();
      const step = await this.#step();
      if (step === 'nothing') {
        this.#writeCursor();
        if (this.#nap.over) return;
        await this.#nap.sleep(undefined);
        continue;
      }
      failing = step === 'failed';
      if (failing && this.#stopping) return;
      if (failing) {
        await this.#nap.sleep(pause_ms);
        pause_ms = this.#suspicion.narrowed() ? retry_ms : Math.min(pause_ms * 2, retry_ms_max);
      } else {
        pause_ms = retry_ms;
        this.#setWorking(true, undefined);
        if (this.#sealed === 0) await this.seal();
      }
    }
  }

  /** Reads what comes next and delivers it. Whatever the disk does, the next step tries again. */
  async #step(): Promise<'nothing' | 'delivered' | 'failed'> {
    try {
      const batch = this.waiting === 0 ? undefined : this.#reader.next(this.taken, this.#suspicion.limit);
      if (!this.#readable) this.#options.onReading(this.sink.name, undefined);
      this.#readable = true;
      if (batch === undefined) return 'nothing';
      return (await this.#deliver(batch)) ? 'delivered' : 'failed';
    } catch (error) {
      if (this.#readable) this.#options.onReading(this.sink.name, error);
      this.#readable = false;
      return 'failed';
    }
  }

  /** Waits for more records where there are a few: until they are many, or for some time. */
  async #linger(): Promise<void> {
    if (this.#nap.over || !this.#few || this.#suspicion.limit !== undefined) return;
    this.#lingering = true;
    await this.#nap.sleep(lingerAfter(this.#lastCount, this.#options));
    this.#lingering = false;
  }

  /** Whether it came further. */
  async #deliver(batch: Batch): Promise<boolean> {
    if (batch.from === 0) {
      return this.#setAside(0, batch.lines()[0] ?? '', 'this line is no record any more') && this.#skip(batch);
    }
    const error = await this.#courier.submit(batch);
    if (!this.#spool.held) return false;
    if (error === undefined) {
      this.#suspicion.taken(batch);
      this.#acknowledge(batch);
      return true;
    }
    this.failed += batch.count;
    this.#setWorking(false, error);
    // A queue that is lost says nothing about the records.
    return error instanceof JobFailed && this.#suspicion.failed(batch) && (await this.#passBy(batch, error));
  }

  /**
   * Sets a record aside where the sink takes the one after it and still not this one, or has another in its place. Where it does not, or there is
   * none yet, the sink is at fault as far as anybody can tell, and the record waits.
   */
  async #passBy(record: Batch, error: JobFailed): Promise<boolean> {
    const [line = ''] = record.lines();
    const conflict = error.cause instanceof RecordConflict;
    const next = conflict ? undefined : await this.#takenAfter(record);
    // Before the position moves past it; where the disk does not take it, both come again.
    if (!(conflict || next) || !this.#setAside(record.from, line, reasonOf(error))) return false;
    this.#suspicion.over();
    if (next === undefined) this.#moveTo(record);
    else this.#acknowledge(next);
    // The sink may have come back between the two: the record has another chance, behind the one after it.
    if (conflict || !(await this.#takeAside(record.from, line))) {
      this.#options.onAside(this.sink.name, record.from, error);
    }
    return true;
  }

  /** The record after this one, where the sink takes it. */
  async #takenAfter(record: Batch): Promise<Batch | undefined> {
    const { batch: next } = readBatch(this.#spool, record, 1);
    return next !== undefined && next.from > 0 && (await this.#courier.submit(next)) === undefined ? next : undefined;
  }

  /** Whether the sink takes a record that is set aside. */
  async #takeAside(seq: number, line: string): Promise<boolean> {
    if (!(await this.#courier.submitLate(seq, line))) return false;
    try {
      if (!this.#aside.remove(line)) return false;
    } catch (error) {
      // It is tried again, and the sink leaves out what it has.
      this.#setWorking(false, error);
      return false;
    }
    this.delivered += 1;
    return true;
  }

  #setAside(seq: number, line: string, reason: string): boolean {
    try {
      this.#aside.add({ seq, at_ms: this.#options.clock(), reason, line });
      return true;
    } catch (error) {
      this.#setWorking(false, error);
      return false;
    }
  }

  #skip(line: Batch): true {
    this.#options.onAside(this.sink.name, 0, undefined);
    this.#reader.skipped(line);
    this.#cursor.moved();
    return true;
  }

  /** The last record the sink has taken, or was set aside for it. */
  get taken(): number {
    return this.#position.seq;
  }

  /** Records set aside. */
  get aside(): number {
    return this.#aside.entries.length;
  }

  /** Records it never gets: their segment was removed before. */
  get missing(): number {
    return this.#reader.missing;
  }

  /** Records of the spool that the sink has not taken yet. */
  get waiting(): number {
    return Math.max(0, this.#spool.state.tail.seq - this.#position.seq);
  }

  /** Tries what was set aside once more, each record by itself; how many were taken. */
  async retryAside(): Promise<number> {
    let taken = 0;
    for (const { seq, line } of this.#aside.entries) if (await this.#takeAside(seq, line)) taken += 1;
    return taken;
  }

  #acknowledge(batch: Batch): void {
    this.delivered += batch.count;
    this.#lastCount = batch.count;
    this.#moveTo(batch);
  }

  #moveTo(batch: Batch): void {
    this.#position = { seq: batch.to, hash: batch.hash };
    this.#reader.taken(batch);
    if (this.#cursor.moved()) this.#writeCursor();
    this.#options.onProgress();
  }

  #writeCursor(): void {
    try {
      this.#cursor.write(() => ({ head: this.head, ...this.#reader.place }));
    } catch (error) {
      // A full disk: the position stands in memory; after a restart the sink leaves out what it has.
      this.#setWorking(false, error);
    }
  }

  #setWorking(working: boolean, error: unknown): void {
    if (this.#working === working) return;
    this.#working = working;
    this.#options.onState(this.sink.name, working, error);
  }
}
