import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { type Lock, lock, RecentIds } from '../../stores/index.ts';
import type { AuditRecord, Intent } from '../record.ts';
import { Acceptance } from './acceptance.ts';
import { Chain } from './chain.ts';
import { Composer } from './compose.ts';
import { type Deferred, deferred } from './deferred.ts';
import { Fresh } from './fresh.ts';
import { openKeys, type TrailKeys } from './keys.ts';
import { Live } from './live.ts';
import { recover, segmentOpening, spoolIdentity } from './recover.ts';
import { RefusedRecords } from './refused-records.ts';
import { probe, Reserve } from './reserve.ts';
import type { Segment } from './segment.ts';
import { Segments } from './segments.ts';
import { checkSpoolId, type SpoolOptions, type SpoolState, SpoolUnavailable, unwritable } from './spool-options.ts';
import { Subjects } from './subjects.ts';

const fsync_ms = 200;

/** An append-only, hash-chained log on local disk. One process owns it. */
export class Spool {
  /** Unlike any other spool's ever: a wiped directory must not continue an old chain's numbers. */
  readonly id: string;
  readonly dir: string;
  readonly keys: TrailKeys;
  /** The newest records that not every sink has yet. */
  readonly fresh: Fresh;
  /** Keys of the people it writes about. */
  readonly subjects: Subjects;
  /** Set by the delivery: called after records were appended. */
  onAppend: (() => void) | undefined;
  /** What recovery found at opening. */
  readonly found: { readonly lost: number; readonly cut_bytes: number; readonly missing: number };

  readonly #options: SpoolOptions;
  readonly #composer: Composer;
  readonly #reserve: Reserve;
  readonly #lock: Lock;
  readonly #timer: NodeJS.Timeout;
  readonly #live: Live;
  readonly #ended = new RecentIds(4096);
  readonly #refused: RefusedRecords;
  readonly #acceptance: Acceptance;
  readonly #segments: Segments;
  readonly #chain: Chain;
  #written: Deferred | undefined;
  #scheduled = false;
  #closed = false;
  #gone: SpoolUnavailable | undefined;

  constructor(options: SpoolOptions) {
    this.#options = options;
    this.#refused = new RefusedRecords(options.onGivenUp);
    this.#acceptance = new Acceptance(options);
    this.keys = openKeys(options.path);
    this.dir = join(options.path, 'spools', options.spoolId);
    mkdirSync(this.dir, { recursive: true, mode: 0o700 });
    this.#lock = lock(join(this.dir, 'lock'), () => this.#abandon());
    try {
      this.id = spoolIdentity(this.dir, options.spoolId);
      this.fresh = new Fresh(this.id);
      this.subjects = new Subjects(this.keys.dir, options.spoolId, this.keys.textHash);
      this.#composer = new Composer(this.subjects, this.keys.textHash);
      this.#live = new Live(this.#composer);
      this.#reserve = new Reserve(join(this.dir, 'reserve'), options.reserve_bytes);
      const found = recover(this.dir, this.id);
      this.#chain = new Chain(this.id, found.tail, options.clock);
      this.#segments = Segments.after(found, this.id, {
        dir: this.dir,
        bytes_max: options.segment_bytes_max,
        write: options.write,
      });
      for (const open of found.open.values()) this.#chain.linkLost(open, this.fresh);
      this.found = { lost: found.open.size, cut_bytes: found.cut_bytes, missing: found.missing };
      this.flush();
    } catch (error) {
      this.#lock.release();
      throw error;
    }
    this.#timer = setInterval(() => this.#tick(), fsync_ms);
    this.#timer.unref();
  }

  /**
   * Writes down that an exchange is about to call a provider. Resolves when the line survives kill -9; those of one step,
   * with the promises that go on after it, share a write. Rejects with `SpoolUnavailable` where the disk does not take it,
   * or cannot keep room for the record.
   */
  begin(intent: Intent): Promise<void> {
    if (this.#closed) return Promise.reject(this.#gone ?? new SpoolUnavailable('The audit spool is closed'));
    if (!this.#acceptance.now && !this.#recovered())
      return Promise.reject(new SpoolUnavailable('The audit spool is full'));
    let done: Promise<void>;
    try {
      done = this.#live.begin(intent, this.#ensureRoom);
    } catch (cause) {
      this.#acceptance.set(false, cause);
      this.flush();
      return Promise.reject(unwritable(cause));
    }
    this.#schedule();
    return done;
  }

  readonly #ensureRoom = (live: number): void => this.#reserve.ensure(live);

  /**
   * Appends the record of an exchange, once: a second end of it changes nothing. The promise resolves when the line
   * survives kill -9; ends of one step share a write. Never throws nor rejects: what a broken disk
   * does not take is kept in memory and tried again. For a call that never began (refused, so nothing was sent) no
   * room is kept: on a full disk its record waits in memory until there is room.
   */
  end(record: AuditRecord): Promise<void> {
    const { exchange } = record;
    if (this.#closed) return Promise.resolve();
    const begun = this.#live.end(exchange);
    if (!begun && this.#ended.has(exchange)) return Promise.resolve();
    this.#ended.add(exchange);
    if (!begun && !this.#acceptance.now) {
      this.#refused.add(record);
      return Promise.resolve();
    }
    return this.#put(record);
  }

  #put(record: AuditRecord): Promise<void> {
    this.#chain.link(this.#composer.record(record, !this.#acceptance.now, this.#chain.begin()), this.fresh);
    this.#schedule();
    this.#written ??= deferred();
    return this.#written.done;
  }

  get state(): SpoolState {
    return {
      spooled: this.#chain.count,
      unrecorded: this.#refused.count,
      bytes: this.#segments.bytes,
      live: this.#live.size,
      accepting: this.held && this.#acceptance.now,
      tail: this.#chain.tail,
    };
  }

  /** The segment that is written now, and how many bytes of it are whole. */
  get current(): Pick<Segment, 'number' | 'size'> {
    return this.#segments.current;
  }

  /** Whether its directory is still this process's; where it is not, nothing may be written there nor carried from there. */
  get held(): boolean {
    return this.#lock.held();
  }

  /** Removes segments before `number`: every sink has what they hold. */
  removeBefore(number: number): void {
    if (this.held) this.#segments.removeBefore(number);
  }

  /** Another process has taken the directory over, and ended what was live here. */
  #abandon(): void {
    clearInterval(this.#timer);
    this.#gone = new SpoolUnavailable('Another process has taken over the directory of this audit spool');
    this.#live.refuse(this.#gone);
    this.#acceptance.set(false, this.#gone);
    this.#refused.giveUp();
    this.#settleWaiters();
    this.#closed = true;
    this.#segments.current.closeSoon();
  }

  /** Writes what is pending and lets go of the files. Exchanges still live become `lost` at the next opening. */
  close(): void {
    if (this.#closed) return;
    clearInterval(this.#timer);
    this.flush();
    if (this.#acceptance.now || this.#recovered(true)) this.flush();
    else this.#refused.giveUp();
    this.#closed = true;
    try {
      this.#segments.current.close();
    } finally {
      this.#lock.release();
    }
  }

  /** Whether there is anything to write. */
  get #pending(): boolean {
    return this.#live.pending > 0 || this.fresh.pending > 0;
  }

  /** Pending intents and then the pending records, in one write. */
  #append(): void {
    const hadRecords = this.fresh.pending > 0;
    const segment = this.#segments.current;
    segment.append(this.#live.unwritten, this.fresh.unwritten);
    this.fresh.written(segment.number, segment.size);
    if (this.#options.fsync === 'always') segment.sync();
    this.#live.written();
    if (hadRecords) {
      this.#settleWaiters();
      this.onAppend?.();
    }
    this.#segments.rotate(this.#opening);
  }

  readonly #appendPending = (): void => {
    if (this.#pending) this.#append();
  };

  /** First lines of a segment, once everything is written. */
  readonly #opening = (number: number): string =>
    segmentOpening(this.id, number, this.#chain.tail) + this.#live.carried();

  #settleWaiters(): void {
    this.#written?.resolve();
    this.#written = undefined;
  }

  /** Writes what is pending now. */
  readonly flush = (): void => {
    this.#scheduled = false;
    if (!this.#pending || !this.held) return;
    try {
      this.#append();
    } catch (error) {
      this.#live.refuse(unwritable(error));
      this.#acceptance.set(false, error);
      this.#flushRecords();
    }
  };

  /** Pending records on a disk that did not take them a moment ago, together with an intent or by themselves. */
  #flushRecords(): void {
    for (const makeRoom of [() => {}, () => this.#reserve.release()]) {
      if (!this.#pending) break;
      makeRoom();
      try {
        this.#append();
      } catch {
        // Kept in memory for the next tick; the intent on disk still stands for the record.
      }
    }
    // Replies do not wait for a broken disk. What was written and could not be synced goes to the sinks.
    this.#settleWaiters();
    this.onAppend?.();
  }

  /** After the promises of this step: calls whose holds were journalled together begin together. */
  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    process.nextTick(this.flush);
  }

  #stayInPlace(): void {
    const removed = this.#segments.stayInPlace(this.#appendPending, this.#opening);
    if (removed !== undefined) this.#options.onRemoved?.(removed);
  }

  #tick(): void {
    if (!this.held) return;
    const { spoiled } = this.#segments;
    if (spoiled !== undefined) this.#acceptance.set(false, spoiled);
    try {
      this.#stayInPlace();
    } catch (error) {
      this.#acceptance.set(false, error);
    }
    if (this.#pending && !this.#scheduled) this.flush();
    if (!this.#acceptance.now) this.#recovered();
    if (this.#options.fsync === 'group') this.#segments.current.syncSoon();
  }

  /** Looks, once a second, whether the disk takes exchanges again: the reserve, and some room beside it. */
  #recovered(last = false): boolean {
    if (!this.#acceptance.due(last) || !this.held) return false;
    try {
      this.#stayInPlace();
      this.#segments.makeSound(this.#appendPending, this.#opening);
      this.#reserve.ensure(this.#live.size + 1);
      probe(join(this.dir, 'probe'), Math.max(65_536, this.#options.reserve_bytes / 4), this.#options.write);
      this.#append();
    } catch {
      return false;
    }
    this.#acceptance.set(true);
    for (const record of this.#refused.take()) void this.#put(record);
    return true;
  }
}

/** Opens a spool, ending what an earlier process left open: each of its exchanges gets a `lost` record, once. */
export function openSpool(options: SpoolOptions): Spool {
  checkSpoolId(options.spoolId);
  return new Spool(options);
}
