import { createHash } from 'node:crypto';
import { Cluster, Command, type Redis } from 'ioredis';
import { LedgerUnavailable } from '../ledger.ts';
import { type Argument, InFlight, type Receiver, type Script, Waiting } from './in-flight.ts';
import { elsewhere, refusalOf } from './refusals.ts';
import { slotMapOf } from './slot-map.ts';
import { Wired } from './wired.ts';

export type { Script } from './in-flight.ts';
export function script(source: string): Script {
  return { source, sha: createHash('sha1').update(source).digest('hex') };
}

/** Nobody knows whether a command that was sent and not answered was done. */
export class NoAnswer extends LedgerUnavailable {}

export interface LineOptions {
  readonly deadline_ms: number;
  /** Told once a change; `code` is what a server that answers refuses everything for. */
  readonly onState: (state: 'lost' | 'back', code?: string) => void;
  /** One that refused everything answers again: whether it does more is to be tried, and `proved`. */
  readonly onTry?: () => void;
  /** A connection is new, or a Cluster's slots are elsewhere: who answers may not be who answered before. */
  readonly onOther?: () => void;
  /** Commands sent and not answered; one more is refused. Default 20,000. */
  readonly in_flight_max?: number;
}

const in_flight_max = 20_000;
const probe_ms = 200;
/** Unanswered probes after which the connection itself is given up and made anew. */
const probes_max = 5;
/** Late answers in a row, while others still arrive, after which the store counts as lost. */
const late_max = 10;
/** Looks at a connection that is open and not ready, after which it is given up: it may be nobody's any more. */
const looks_max = 15;
/** How soon a Cluster is asked again whose node did nothing, since the keys are elsewhere. */
const again_ms = 10;

/**
 * The way to Redis: every command has a deadline, and a store that is slow is treated like one that is gone. While it is
 * lost commands are refused at once and a probe looks for it; nobody waits.
 */
export class Line {
  readonly #redis: Redis | Cluster;
  readonly #options: LineOptions;
  /** Those with the usual deadline. */
  readonly #waiting: InFlight;
  #probe: NodeJS.Timeout | undefined;
  #heard_ms = 0;
  #late = 0;
  #probes = 0;
  #looks = 0;
  #closed = false;
  #inFlight = 0;
  #slots = '';
  #reason: string | undefined;
  /** What was told last: while it only answers, and goes on refusing, nothing has changed. */
  #away = false;
  /** Since something was written: that it tells what it has proves nothing. */
  #refusals = 0;

  constructor(redis: Redis | Cluster, options: LineOptions) {
    this.#redis = redis;
    this.#options = options;
    this.#waiting = new InFlight(options.deadline_ms, (waiting) => this.#overdue(waiting));
    redis.on('close', () => this.#lose('the connection to Redis was closed'));
    redis.on('ready', () => this.#look());
    if (redis instanceof Cluster) {
      redis.on('refresh', () => this.#compare(redis));
      redis.on('-node', () => this.#other());
    }
  }

  get lost(): boolean {
    return this.#reason !== undefined;
  }

  /**
   * Runs a script by its digest. Rejects with `LedgerUnavailable` when Redis is lost, `NoAnswer` when it became so; `late`
   * is told an answer that comes after that.
   */
  run(
    one: Script,
    keys: readonly string[],
    args: readonly Argument[],
    deadline_ms?: number,
    late?: (answer: unknown) => void,
  ): Promise<unknown> {
    return this.#call('evalsha', [one.sha, keys.length, ...keys, ...args], one, deadline_ms, late);
  }

  /**
   * `run` for who wants a text as bytes; `words` are the script's digest, the number of keys, the keys and the rest, and
   * `wire` is all of it as Redis reads it.
   */
  ask(one: Script, words: string[], receiver: Receiver, wire: string): void {
    this.#send('evalsha', words, null, receiver, one, undefined, wire);
  }

  /** Any other command, with a deadline of its own. */
  call(command: string, args: readonly (string | number)[], deadline_ms: number): Promise<unknown> {
    return this.#call(command, [...args], undefined, deadline_ms);
  }

  #call(
    command: string,
    args: Argument[],
    one: Script | undefined,
    deadline_ms?: number,
    late?: (answer: unknown) => void,
  ): Promise<unknown> {
    return new Promise((resolve, reject) => {
      this.#send(command, args, 'utf8', { answered: resolve, failed: reject, late }, one, deadline_ms);
    });
  }

  #send(
    command: string,
    args: Argument[],
    encoding: BufferEncoding | null,
    receiver: Receiver,
    one: Script | undefined,
    deadline_ms?: number,
    wire?: string,
  ): void {
    if (this.#reason !== undefined) {
      receiver.failed(new LedgerUnavailable(this.#reason));
      return;
    }
    if (this.#inFlight >= (this.#options.in_flight_max ?? in_flight_max)) {
      receiver.failed(new LedgerUnavailable('Redis has too many commands to answer already'));
      return;
    }
    const waiting = new Waiting(command, args, encoding, receiver, one, wire, deadline_ms ?? this.#options.deadline_ms);
    if (deadline_ms === undefined) this.#waiting.add(waiting);
    else waiting.timer = setTimeout(() => setImmediate(() => this.#overdue(waiting)), deadline_ms).unref();
    this.#attempt(waiting);
  }

  #attempt(waiting: Waiting): void {
    this.#inFlight++;
    const { wire, encoding } = waiting;
    const command =
      wire === undefined || waiting.command === 'eval'
        ? new Command(waiting.command, waiting.args, { replyEncoding: encoding })
        : new Wired(waiting.command, waiting.args, encoding, wire);
    (this.#redis.sendCommand(command) as Promise<unknown>).then(
      (value) => {
        this.#inFlight--;
        this.#hear();
        if (this.#waiting.close(waiting)) waiting.receiver.answered(value);
        else if (!this.#closed) waiting.receiver.late?.(value);
      },
      (error: Error) => {
        this.#inFlight--;
        if (waiting.open && !this.#tryAgain(waiting, error) && this.#waiting.close(waiting)) {
          waiting.receiver.failed(this.#failure(error));
        }
      },
    );
  }

  /** Whether it goes on another way. */
  #tryAgain(waiting: Waiting, error: Error): boolean {
    if (this.#redis instanceof Cluster && elsewhere.test(error.message)) {
      this.#seek(this.#redis);
      setTimeout(() => waiting.open && this.#attempt(waiting), again_ms);
      return true;
    }
    if (waiting.script === undefined || waiting.command === 'eval' || !error.message.startsWith('NOSCRIPT'))
      return false;
    waiting.command = 'eval';
    waiting.args[0] = waiting.script.source;
    this.#hear();
    this.#attempt(waiting);
    return true;
  }

  /** Asks where the slots are, unless that is being asked. */
  #seek(cluster: Cluster): void {
    this.#hear();
    cluster.refreshSlotsCache(() => {});
  }

  #compare(cluster: Cluster): void {
    const now = slotMapOf(cluster);
    if (now === this.#slots) return;
    this.#slots = now;
    this.#other();
  }

  #other(): void {
    if (!this.#closed) this.#options.onOther?.();
  }

  #failure(error: Error): Error {
    if (error.name === 'ReplyError') {
      const code = refusalOf(error.message);
      if (code === undefined) {
        this.#hear();
        return error;
      }
      this.#refusals++;
      if (this.#away || this.#refusals >= late_max) this.#lose(`Redis answers ${error.message}`, code);
      return new LedgerUnavailable(`Redis answers ${error.message}`, { cause: error });
    }
    this.#lose(`Redis is lost: ${error.message}`);
    return new NoAnswer(`Redis is lost: ${error.message}`, { cause: error });
  }

  #overdue(waiting: Waiting): void {
    if (!this.#waiting.close(waiting)) return;
    this.#late++;
    // Slow is not gone: while other answers come, one that is late is only late.
    const silent = this.#heard_ms < (waiting.sent_ms + waiting.due_ms) / 2;
    const reason = `Redis did not answer within ${Math.round(waiting.due_ms - waiting.sent_ms)} ms`;
    if (silent || this.#late >= late_max) this.#lose(reason);
    waiting.receiver.failed(new NoAnswer(reason));
  }

  #hear(): void {
    this.#heard_ms = performance.now();
    this.#late = 0;
  }

  #lose(reason: string, code?: string): void {
    if (this.#reason !== undefined || this.#closed) return;
    this.#reason = reason;
    this.#probes = 0;
    this.#probe = setInterval(this.#look, probe_ms).unref();
    if (!this.#away) this.#options.onState('lost', code);
    this.#away = true;
  }

  /** Something was written: it refuses nothing any more. */
  proved(): void {
    this.#refusals = 0;
    if (!this.#away || this.#reason !== undefined) return;
    this.#away = false;
    this.#options.onState('back');
  }

  readonly #look = (): void => {
    if (this.#reason === undefined || this.#closed) return;
    // The client goes on trying for as long as it lives: one that ended all the same begins anew.
    if (this.#redis.status === 'end') this.#redis.connect().catch(() => {});
    if (this.#redis.status !== 'ready') {
      if (this.#redis.status !== 'connect' || this.#looks++ < looks_max) return;
      this.#looks = 0;
      this.#redis.disconnect(true);
      return;
    }
    this.#looks = 0;
    if (this.#probes++ >= probes_max) {
      this.#probes = 0;
      this.#redis.disconnect(true);
      return;
    }
    const sent_ms = performance.now();
    this.#ping().then(
      () => {
        // An old probe that a stalled store answers at last proves only that it lives: the next one is timely.
        if (performance.now() - sent_ms <= this.#options.deadline_ms) this.#find();
        else setImmediate(this.#look);
      },
      () => {},
    );
  };

  /** A Cluster is there when all of it is. */
  async #ping(): Promise<void> {
    const nodes = this.#redis instanceof Cluster ? this.#redis.nodes('master') : [this.#redis];
    await Promise.all(nodes.map((node) => node.call('ping')));
  }

  #find(): void {
    if (this.#reason === undefined || this.#closed) return;
    clearInterval(this.#probe);
    this.#reason = undefined;
    this.#hear();
    this.#other();
    if (this.#refusals > 0 && this.#options.onTry !== undefined) this.#options.onTry();
    else this.proved();
  }

  close(): void {
    this.#closed = true;
    this.#reason = 'the ledger is closed';
    clearInterval(this.#probe);
    for (const waiting of this.#waiting.end()) {
      waiting.open = false;
      waiting.receiver.failed(new NoAnswer('the ledger is closed'));
    }
    this.#redis.disconnect();
  }
}
