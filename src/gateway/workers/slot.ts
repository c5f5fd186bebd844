import { setTimeout as wait } from 'node:timers/promises';
import type { Figures, Log, Metrics } from '../../observe/index.ts';
import type { WorkerView } from '../../surfaces/http/admin.ts';
import { NoAnswerFromWorker, type Versioned } from './channel.ts';
import { WorkerProcess } from './process.ts';

export interface SlotOptions {
  readonly slot: number;
  /** The program a worker runs. */
  readonly program: string;
  readonly adminListens: boolean;
  readonly log: Log;
  readonly metrics: Metrics;
  /** How long a worker may take to be ready. Default two minutes. */
  readonly start_ms?: number;
  /** How often it is asked for a sign of life, and how long it may take to give one. Default ten seconds. */
  readonly beat_ms?: number;
  /** The configuration in force. */
  inForce(): Versioned;
  /** Told the last figures of a process that is over. */
  retire(figures: Figures): void;
}

/** How long a worker may take to be ready: many start at once, and each may have much to read. Then it is taken for stuck and killed. */
const start_ms_max = 120_000;
/** The same of taking a configuration. */
const answer_ms = 30_000;
const beat_ms_default = 10_000;
/**
 * So many signs of life that do not come, one after the other, and it is taken for stuck: in a loop without an end, or
 * stopped. A machine that slept misses one.
 */
const beats_missed_max = 3;
/** Beyond the grace: what closing takes, and exchanges that were cut being recorded. */
const close_ms = 20_000;
/** A process that ended sooner than this after it was ready is one of a row of crashes. */
const healthy_ms = 10_000;
const pause_ms_max = 10_000;

/** A worker's place: a process in it, and another one when that is over. */
export class Slot {
  readonly #options: SlotOptions;
  #process: WorkerProcess | undefined;
  #state: WorkerView['state'] = 'starting';
  #since: number | undefined;
  #crashes = 0;
  #restarts = 0;
  /** Crashes in a row. */
  #row = 0;
  #version = 0;
  #figures: Figures | undefined;
  #closing = false;

  constructor(options: SlotOptions) {
    this.#options = options;
  }

  get ready(): boolean {
    return this.#state === 'ready';
  }

  get process(): WorkerProcess | undefined {
    return this.#process;
  }

  /** The one that answers calls: also while it leaves, those of clients that kept their connections. */
  get serving(): WorkerProcess | undefined {
    return this.ready || this.#state === 'draining' ? this.#process : undefined;
  }

  get view(): WorkerView {
    const since = this.ready && this.#since !== undefined ? new Date(this.#since).toISOString() : undefined;
    const { slot } = this.#options;
    const [crashes, restarts] = [this.#crashes, this.#restarts];
    return { slot, pid: this.#process?.pid, state: this.#state, since, crashes, restarts };
  }

  /** Starts a process here and resolves with its address once it takes calls. Rejects with why it could not. */
  async open(): Promise<string> {
    const { slot, program, adminListens, start_ms = start_ms_max } = this.#options;
    const one = new WorkerProcess(program);
    this.#process = one;
    this.#state = 'starting';
    this.#since = undefined;
    let opened = false;
    const over = one.over.then((how) => {
      this.#over(one, how, opened);
      return how;
    });
    const { version, parcel } = this.#options.inForce();
    try {
      const address = await one.ask('start', { slot, adminListens, version, parcel }, start_ms);
      this.#version = version;
      await this.#follow(one);
      opened = true;
      this.#state = 'ready';
      this.#since = Date.now();
      void this.#watch(one);
      return address;
    } catch (error) {
      one.kill();
      const how = await over;
      if (!(error instanceof NoAnswerFromWorker)) throw error;
      throw new Error(
        error.within_ms === undefined
          ? `worker ${slot} ended with ${how} before it was ready`
          : `worker ${slot} was not ready within ${error.within_ms} ms, and was ended`,
      );
    }
  }

  /** Ends a process that takes calls and says nothing any more; another one comes in its place. */
  async #watch(one: WorkerProcess): Promise<void> {
    const { beat_ms = beat_ms_default, log, slot } = this.#options;
    do {
      await wait(beat_ms, undefined, { ref: false });
      if (one !== this.#process || !this.ready) return;
    } while (!(await this.#silent(one)));
    if (one !== this.#process || !this.ready) return;
    log.error('a worker does not answer, and is ended', { worker: slot });
    one.kill();
  }

  async #silent(one: WorkerProcess): Promise<boolean> {
    for (let missed = 0; missed < beats_missed_max; missed += 1) if (await this.#lives(one)) return false;
    return true;
  }

  /** Whether it says anything at all. */
  async #lives(one: WorkerProcess): Promise<boolean> {
    const { beat_ms = beat_ms_default } = this.#options;
    return await one.ask('health', undefined, beat_ms).then(
      () => true,
      (error: unknown) => !(error instanceof NoAnswerFromWorker),
    );
  }

  /** Takes over the configuration in force where this worker has another one, or is ended. */
  async follow(): Promise<void> {
    const one = this.#process;
    await (one && this.#follow(one).catch(() => one.kill()));
  }

  async #follow(one: WorkerProcess): Promise<void> {
    for (let wanted = this.#options.inForce(); this.#version !== wanted.version; wanted = this.#options.inForce()) {
      const problems = await one.ask('prepare', wanted, answer_ms);
      if (problems.length > 0) throw new Error(problems.map(({ message }) => message).join('\n'));
      await this.#commit(one, wanted.version);
    }
  }

  /** Puts in force what this process prepared, or ends it. Another one in its place by now was not asked. */
  async commit(one: WorkerProcess, version: number): Promise<void> {
    await this.#commit(one, version).catch(() => one.kill());
  }

  async #commit(one: WorkerProcess, version: number): Promise<void> {
    await one.ask('commit', { version }, answer_ms);
    if (one === this.#process) this.#version = version;
  }

  get version(): number {
    return this.#version;
  }

  /** Its figures now, or where it does not answer in time the last ones it told; none where there is no process. */
  async figures(within_ms: number): Promise<Figures | undefined> {
    const one = this.#process;
    if (this.ready) {
      const figures = await one?.ask('figures', undefined, within_ms).catch(() => undefined);
      if (figures !== undefined && one === this.#process) this.#figures = figures;
    }
    return this.#figures;
  }

  /** What was told last and is not retired yet. */
  get lastFigures(): Figures | undefined {
    return this.#figures;
  }

  /** Ends the process here once its calls are over, or when the grace is, and starts another one. */
  async replace(grace_ms: number): Promise<void> {
    if (!this.ready) return;
    await this.#drain(grace_ms);
    if (this.#closing) return;
    this.#restarts += 1;
    this.#options.metrics.workerReplaced(this.#options.slot, 'restart');
    await this.open().catch((error: unknown) => {
      if (this.#closing) return;
      this.#again(error);
      throw error;
    });
  }

  async #drain(grace_ms: number): Promise<void> {
    const one = this.#process;
    if (one === undefined) return;
    this.#state = 'draining';
    // The grace is for calls. One that is stuck has none that could end, and nobody waits for it.
    void this.#silent(one).then((silent) => silent && one.kill());
    try {
      this.#figures = await one.ask('drain', { grace_ms }, grace_ms + close_ms);
    } catch {
      // It is over by itself, or stuck: what it had open is recorded by the next one here.
    }
    const kill = setTimeout(() => one.kill(), 2000);
    await one.over;
    clearTimeout(kill);
  }

  /** Ends for good. */
  async close(grace_ms: number): Promise<void> {
    this.#closing = true;
    if (this.#process === undefined) return;
    if (this.ready) await this.#drain(grace_ms);
    else if (this.#state === 'draining') await this.#process.over;
    else this.#process.kill();
    await this.#process?.over;
  }

  #over(one: WorkerProcess, how: number | string, opened: boolean): void {
    const expected = this.#state === 'draining';
    const figures = one.lastFigures ?? this.#figures;
    if (figures !== undefined) this.#options.retire(figures);
    this.#figures = undefined;
    if (this.#process === one) this.#process = undefined;
    this.#state = 'gone';
    // One that never was ready is told by whoever opened it.
    if (expected || this.#closing || !opened) return;
    this.#crashes += 1;
    this.#options.metrics.workerReplaced(this.#options.slot, 'crash');
    this.#options.log.error('a worker ended by itself and is replaced', {
      worker: this.#options.slot,
      code: String(how),
    });
    this.#again(undefined);
  }

  /** Another process, at once after a first crash and ever later after more in a row. */
  #again(error: unknown): void {
    if (error !== undefined) this.#options.log.error('a worker cannot start', { worker: this.#options.slot, error });
    const lived_ms = this.#since === undefined ? 0 : Date.now() - this.#since;
    this.#row = lived_ms >= healthy_ms ? 0 : this.#row + 1;
    const pause_ms = this.#row <= 1 ? 0 : Math.min(100 * 2 ** (this.#row - 2), pause_ms_max);
    void wait(pause_ms, undefined, { ref: false }).then(async () => {
      if (this.#closing) return;
      await this.open().catch((reason: unknown) => this.#closing || this.#again(reason));
    });
  }
}
