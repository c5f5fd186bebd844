import { join } from 'node:path';
import type { JobQueue } from '../../stores/index.ts';
import type { Log } from '../log.ts';
import type { AuditRecord, Intent } from '../record.ts';
import { carry } from './carry.ts';
import { Delivery } from './delivery.ts';
import { head_ms, headText, type SignedHead, signHead, writeSigned } from './head.ts';
import { inTime } from './in-time.ts';
import type { QueryFilter } from './query.ts';
import { Recent } from './recent.ts';
import type { Sink } from './sink.ts';
import { openSpool, type Spool } from './spool.ts';
import { type SpoolOptions, SpoolUnavailable } from './spool-options.ts';

export interface TrailOptions extends Partial<Omit<SpoolOptions, 'onState' | 'onGivenUp' | 'onRemoved'>> {
  readonly path: string;
  readonly spoolId: string;
  /** Every record goes to each of them. */
  readonly sinks: readonly Sink[];
  /** Carries batches to the sinks. The trail closes it, and the sinks. */
  readonly queue: JobQueue;
  readonly log?: Log;
  /** How often signed heads are put out. Default a minute. */
  readonly head_ms?: number;
  /** How long a batch waits for more records. Default 200. */
  readonly linger_ms?: number;
  /** Pause after a failed delivery; it doubles up to `retry_ms_max`. Default 250. */
  readonly retry_ms?: number;
  /** Default half a minute. */
  readonly retry_ms_max?: number;
  /** Records kept in memory for `recent`. Default 256. */
  readonly recent_max?: number;
}

export interface TrailState {
  /** Records appended to the spool since opening. */
  readonly spooled: number;
  /** Records each sink has taken since opening. */
  readonly delivered: Readonly<Record<string, number>>;
  /** Records of failed tries, for each sink; they are tried again. */
  readonly failed: Readonly<Record<string, number>>;
  /** Records each sink would not take, set aside until they are tried again. */
  readonly aside: Readonly<Record<string, number>>;
  /** Records each sink never gets: their segment was removed before it had them. */
  readonly missing: Readonly<Record<string, number>>;
  /** Records the slowest sink has not taken yet. */
  readonly waiting: number;
  /** Records of refused calls that a full disk keeps out of the spool. */
  readonly unrecorded: number;
  /** Bytes of the spool on disk. */
  readonly bytes: number;
  readonly live: number;
  /** False: the disk does not take new exchanges. */
  readonly accepting: boolean;
}

/** Evidence: every exchange ends in exactly one record. */
export interface Trail {
  /**
   * Before the first upstream call, which waits for it: resolves when the intent survives kill -9. Those of one
   * step, with the promises that go on after it, share a write, and its records with them. Rejects with `SpoolUnavailable`.
   */
  begin(intent: Intent): Promise<void>;
  /**
   * The record of an exchange, once. Resolves when it survives kill -9 (one step shares a write). Never throws nor rejects; on a full disk the record of a call that never began waits in memory.
   */
  end(record: AuditRecord): Promise<void>;
  state(): TrailState;
  /** Records of this process in memory, newest first. For all of them: `queryTrail`. */
  recent(filter?: QueryFilter): AuditRecord[];
  /** The spool's end, signed now. */
  head(): SignedHead;
  /** Forgets a person's key: their id, texts and personal facts can no longer be read in any sink. The chain holds. */
  erase(user: string): boolean;
  /** Tries records that were set aside once more; how many were taken. */
  retryAside(): Promise<number>;
  /** Delivers what it can within the grace (the rest waits on disk), then closes queue and sinks; one that does not answer is left. */
  close(grace_ms?: number): Promise<void>;
}

class LiveTrail implements Trail {
  readonly #spool: Spool;
  readonly #deliveries: readonly Delivery[];
  readonly #options: TrailOptions;
  readonly #clock: () => number;
  readonly #recent: Recent;
  readonly #timer: NodeJS.Timeout;
  #closing = false;

  constructor(spool: Spool, deliveries: readonly Delivery[], options: TrailOptions) {
    this.#spool = spool;
    this.#deliveries = deliveries;
    this.#options = options;
    this.#clock = options.clock ?? Date.now;
    this.#recent = new Recent(options.recent_max ?? 256, spool.keys.textHash);
    this.#timer = setInterval(() => this.#putOutHeads(), options.head_ms ?? head_ms);
    this.#timer.unref();
  }

  begin(intent: Intent): Promise<void> {
    if (this.#closing) return Promise.reject(new SpoolUnavailable('The audit trail is closing'));
    return this.#spool.begin(intent);
  }

  end(record: AuditRecord): Promise<void> {
    const done = this.#spool.end(record);
    // Texts are not kept in memory for a list of what happened lately, nor told in the clear by it.
    this.#recent.add(record);
    return done;
  }

  state(): TrailState {
    const { spooled, unrecorded, bytes, live, accepting } = this.#spool.state;
    const count = (of: (delivery: Delivery) => number) =>
      Object.fromEntries(this.#deliveries.map((delivery) => [delivery.sink.name, of(delivery)]));
    return {
      spooled,
      unrecorded,
      delivered: count((delivery) => delivery.delivered),
      failed: count((delivery) => delivery.failed),
      aside: count((delivery) => delivery.aside),
      missing: count((delivery) => delivery.missing),
      waiting: Math.max(0, ...this.#deliveries.map((delivery) => delivery.waiting)),
      bytes,
      live,
      accepting,
    };
  }

  recent(filter: QueryFilter = {}): AuditRecord[] {
    this.#forgetErased();
    return this.#recent.find(filter);
  }

  head(): SignedHead {
    const { id, keys, state } = this.#spool;
    const { seq, hash } = state.tail;
    return signHead({ spool: id, seq, hash, at_ms: this.#clock(), sink: '', place: '' }, keys.signing, keys.signingId);
  }

  erase(user: string): boolean {
    this.#recent.erase((one) => one === user);
    return this.#spool.subjects.erase(`user ${user}`);
  }

  /** Another process erases in the files alone; what memory holds goes with it. */
  #forgetErased(): void {
    const erased = this.#spool.subjects.erased();
    if (erased !== undefined) this.#recent.erase((user) => erased(`user ${user}`));
  }

  async retryAside(): Promise<number> {
    if (!this.#spool.held) return 0;
    const taken = await Promise.all(this.#deliveries.map((delivery) => delivery.retryAside()));
    return taken.reduce((sum, one) => sum + one, 0);
  }

  #putOutHeads(): void {
    this.#spool.flush();
    // Whose it is by now signs for what is in it.
    if (!this.#spool.held) return;
    this.#forgetErased();
    const head = this.head();
    // Before the first record there is nothing to vouch for.
    if (head.seq === 0) return;
    try {
      writeSigned(join(this.#spool.dir, 'head.json'), headText(head));
    } catch (error) {
      this.#options.log?.change('audit head', 'unwritable', 'warn', 'audit head not written', { error });
    }
    // Out of the machine's own hands: whoever keeps the logs can show a trail that was cut.
    const { spool, seq, hash, key, sig, at_ms } = head;
    this.#options.log?.info('audit head', { spool, seq, hash, key, sig, at_ms });
    for (const delivery of this.#deliveries) void delivery.seal();
  }

  async close(grace_ms = 5000): Promise<void> {
    if (this.#closing) return;
    this.#closing = true;
    clearInterval(this.#timer);
    this.#spool.flush();
    const delivered = Promise.all(this.#deliveries.map((delivery) => delivery.close(grace_ms)));
    // A job that nobody works at is waited for until the queue closes.
    await inTime(grace_ms, delivered);
    const ended = async (): Promise<void> => {
      await this.#options.queue.close();
      await delivered;
      this.#putOutHeads();
      await Promise.all(this.#options.sinks.map((sink) => sink.close()));
    };
    if (!(await inTime(Math.max(grace_ms, last_ms_min), ended()))) {
      this.#options.log?.error('an audit sink does not answer, and is not waited for: its records stay in the spool');
      this.#putOutHeads();
    }
    this.#spool.close();
  }
}

/** What is under way at a sink has at least so long to end. */
const last_ms_min = 1000;

/**
 * Opens the trail of this process: recovers its spool (an exchange without a record gets one that says `lost`), and
 * starts carrying records to the sinks.
 */
export async function openTrail(options: TrailOptions): Promise<Trail> {
  const { log, sinks, queue } = options;
  if (new Set(sinks.map((sink) => sink.name)).size < sinks.length) throw new Error('Two sinks have the same name');
  for (const { name } of sinks)
    if (!/^[\w-]{1,40}$/.test(name)) throw new Error(`A sink's name may hold letters, digits, - and _: ${name}`);
  const spool = openSpool({
    fsync: 'group',
    segment_bytes_max: 16 << 20,
    reserve_bytes: 4 << 20,
    clock: Date.now,
    ...options,
    onState: (accepting, error) =>
      log?.change(
        'audit spool',
        accepting ? 'accepting' : 'refusing',
        accepting ? 'info' : 'error',
        accepting ? 'audit spool takes records again' : 'audit spool cannot be written; calls are refused',
        { error },
      ),
    onGivenUp: (count) => log?.error('refused calls have no audit record: the disk had no room for them', { count }),
    onRemoved: (file) => log?.error('the audit segment that is written was removed; another one goes on', { file }),
  });
  const { found } = spool;
  const { lost, cut_bytes: bytes, missing } = found;
  if (lost + bytes + missing > 0) log?.warn('audit spool recovered', { spool: spool.id, lost, bytes, missing });
  try {
    const deliveries = deliveriesOf(spool, options);
    spool.onAppend = () => {
      for (const delivery of deliveries) delivery.wake();
    };
    await queue.work((job) => carry(job, options));
    for (const delivery of deliveries) delivery.start();
    return new LiveTrail(spool, deliveries, options);
  } catch (error) {
    // Whoever tries again in this process finds the spool free.
    spool.close();
    throw error;
  }
}

/** Carries the spool's records to each sink, once they are started. */
function deliveriesOf(spool: Spool, options: TrailOptions): readonly Delivery[] {
  const { log, sinks, queue } = options;
  const deliveries: Delivery[] = [];
  for (const sink of sinks) {
    deliveries.push(
      new Delivery(spool, sink, queue, {
        clock: options.clock ?? Date.now,
        linger_ms: options.linger_ms ?? 200,
        retry_ms: options.retry_ms ?? 250,
        retry_ms_max: options.retry_ms_max ?? 30_000,
        onState: (name, delivering, error) =>
          log?.change(
            `sink ${name}`,
            delivering ? 'delivering' : 'waiting',
            delivering ? 'info' : 'warn',
            delivering ? 'audit sink takes records again' : 'audit sink does not take records; they wait in the spool',
            { sink: name, error },
          ),
        onAside: (name, seq, error) =>
          log?.error('an audit record is set aside: its sink takes others and not this one', {
            sink: name,
            spool: spool.id,
            seq,
            error,
          }),
        onMissing: (name, seq, missing) =>
          log?.error('audit records are gone: their segment was removed before a sink had them', {
            sink: name,
            spool: spool.id,
            seq,
            missing,
          }),
        onReading: (name, error) =>
          log?.change(
            `spool of ${name}`,
            error === undefined ? 'readable' : 'unreadable',
            error === undefined ? 'info' : 'error',
            error === undefined
              ? 'audit records are carried again'
              : 'audit records cannot be carried; it is tried again',
            { sink: name, error },
          ),
        onProgress: () => {
          spool.fresh.forget(Math.min(...deliveries.map((one) => one.taken)));
          spool.removeBefore(Math.min(...deliveries.map((one) => one.segment)));
        },
      }),
    );
  }
  return deliveries;
}
