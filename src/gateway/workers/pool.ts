import { setTimeout as wait } from 'node:timers/promises';
import type { Problem, Settings } from '../../config.ts';
import { type AuditMeasured, type AuditRecord, type Figures, grownOf, type QueryFilter } from '../../observe/index.ts';
import { type Lately, newestFirst } from '../../surfaces/decision/lately.ts';
import type { WorkerView } from '../../surfaces/http/admin.ts';
import { together } from '../left-slots.ts';
import { NoAnswerFromWorker, type Versioned } from './channel.ts';
import { packSettings } from './parcel.ts';
import type { WorkerProcess } from './process.ts';
import { Slot, type SlotOptions } from './slot.ts';

export interface PoolOptions
  extends Pick<SlotOptions, 'program' | 'adminListens' | 'log' | 'metrics' | 'start_ms' | 'beat_ms'> {
  readonly count: number;
  readonly settings: Settings;
}

/** A configuration that a worker would not take; none of them has it then. */
export class Refused extends Error {
  override readonly name = 'Refused';
  readonly problems: readonly Problem[];

  constructor(problems: readonly Problem[]) {
    super(problems.map(({ message }) => message).join('\n'));
    this.problems = problems;
  }
}

const scrape_ms = 2000;
const prepare_ms = 30_000;
/** How often it is looked whether another worker is ready before one is taken away. */
const look_ms = 50;

/** The workers of a gateway: so many processes, each in a place of its own, on one address. */
export class Pool {
  readonly #options: PoolOptions;
  readonly #slots: readonly Slot[];
  #inForce: Versioned;
  /** What only grows, of processes that are over. */
  #grown: Promise<Figures> = Promise.resolve([]);
  #restarting: Promise<void> | undefined;
  #swapping: Promise<void> = Promise.resolve();
  #closing = false;

  constructor(options: PoolOptions) {
    this.#options = options;
    this.#inForce = { version: 1, parcel: packSettings(options.settings) };
    this.#slots = Array.from(
      { length: options.count },
      (_, index) =>
        new Slot({
          ...options,
          slot: index + 1,
          inForce: () => this.#inForce,
          retire: (figures) => {
            this.#grown = this.#grown.then((grown) => grownOf([grown, figures]));
          },
        }),
    );
  }

  /** Starts all of them. Rejects with why one could not start; then none is left. */
  async open(): Promise<string> {
    const opened = await Promise.allSettled(this.#slots.map((slot) => slot.open()));
    const failed = opened.find((one) => one.status === 'rejected');
    if (failed !== undefined) {
      await this.close(0);
      throw failed.reason;
    }
    const [first] = opened;
    return first?.status === 'fulfilled' ? first.value : '';
  }

  get views(): readonly WorkerView[] {
    return this.#slots.map(({ view }) => view);
  }

  get ready(): number {
    return this.#slots.filter(({ ready }) => ready).length;
  }

  /**
   * Puts a configuration in force in every worker, or throws `Refused` and changes none. One that does not answer is
   * ended: the next one in its place starts with what is in force.
   */
  swap(next: Settings): Promise<void> {
    const swapping = this.#swap(next);
    this.#swapping = swapping.catch(() => {});
    return swapping;
  }

  async #swap(next: Settings): Promise<void> {
    const wanted: Versioned = { version: this.#inForce.version + 1, parcel: packSettings(next) };
    // Those that are here now: one that crashes or is replaced meanwhile has another one in its place, which was not asked.
    const asked = this.#slots.flatMap((slot) => {
      const one = slot.serving;
      return one === undefined ? [] : [{ slot, one }];
    });
    const answers = await Promise.all(asked.map(({ one }) => prepared(one, wanted, next.file)));
    const problems = answers.find((one) => one !== undefined && one.length > 0) ?? unanswered(answers, next.file);
    if (problems !== undefined) {
      const { version } = wanted;
      // The number is used up: a late answer to it must not be taken for one to the next.
      this.#inForce = { ...wanted, parcel: this.#inForce.parcel };
      await Promise.allSettled(asked.map(({ one }) => one.ask('discard', { version }, scrape_ms)));
      throw new Refused(problems);
    }
    this.#inForce = wanted;
    await Promise.all(asked.map(({ slot, one }) => slot.commit(one, wanted.version)));
    // One that became ready meanwhile started with the configuration before.
    const late = this.#slots.filter((slot) => slot.ready && slot.version !== wanted.version);
    await Promise.all(late.map((slot) => slot.follow()));
  }

  /** Figures of all workers, those that are over included as far as they only grow. */
  async figures(): Promise<readonly Figures[]> {
    const before = this.#slots.map(({ process }) => process);
    await Promise.all(this.#slots.map((slot) => slot.figures(scrape_ms)));
    const grown = await this.#grown;
    // A process that ended since counts with those that are over.
    const living = this.#slots.filter(({ process }, index) => process !== undefined && process === before[index]);
    return [grown, ...living.map(({ lastFigures }) => lastFigures).filter((one) => one !== undefined)];
  }

  /** The state of all trails as one. */
  async audit(nothing: AuditMeasured): Promise<AuditMeasured> {
    const states = await this.#each((slot) => slot.process?.ask('health', undefined, scrape_ms));
    return states.reduce((sum, state) => together(sum, state?.audit ?? nothing), nothing);
  }

  /** Of all workers and of this process, newest first. */
  async recent(filter: QueryFilter, own: readonly AuditRecord[]): Promise<readonly AuditRecord[]> {
    const lists = await this.#each((slot) => slot.process?.ask('recent', filter, scrape_ms));
    const all = [own, ...lists].flatMap((list) => list ?? []).sort((one, other) => other.time_ms - one.time_ms);
    return all.slice(0, filter.limit);
  }

  /** Of all workers, newest first. */
  async evaluations(): Promise<readonly Lately[]> {
    const lists = await this.#each((slot) => slot.process?.ask('evaluations', undefined, scrape_ms));
    return newestFirst(lists.flatMap((list) => list ?? []));
  }

  async retryAside(): Promise<number> {
    const taken = await this.#each((slot) => slot.process?.ask('retryAside', undefined, prepare_ms));
    return taken.reduce<number>((sum, one) => sum + (one ?? 0), 0);
  }

  /** Asks those that are ready; one that does not answer is left out. */
  async #each<T>(ask: (slot: Slot) => Promise<T> | undefined): Promise<readonly (T | undefined)[]> {
    const ready = this.#slots.filter((slot) => slot.ready);
    return await Promise.all(ready.map(async (slot) => await ask(slot)?.catch(() => undefined)));
  }

  /** Replaces the workers one after the other, each when another one is ready. Asked again while it runs: the same. */
  restart(grace_ms: number): Promise<void> {
    this.#restarting ??= this.#restart(grace_ms).finally(() => {
      this.#restarting = undefined;
    });
    return this.#restarting;
  }

  async #restart(grace_ms: number): Promise<void> {
    this.#options.log.info('workers are replaced one by one', { count: this.#slots.length });
    for (const slot of this.#slots) {
      // One that is asked to take a configuration is not taken away, and the last one that is ready neither.
      for (;;) {
        await this.#swapping;
        if (this.#closing) return;
        if (this.#slots.some((other) => other !== slot && other.ready)) break;
        await wait(look_ms);
      }
      await slot.replace(grace_ms);
    }
    this.#options.log.info('all workers are replaced', { count: this.#slots.length });
  }

  async close(grace_ms: number): Promise<void> {
    this.#closing = true;
    await Promise.all(this.#slots.map((slot) => slot.close(grace_ms)));
  }
}

/** What is wrong with it; undefined where there was no answer. */
async function prepared(one: WorkerProcess, wanted: Versioned, file: string): Promise<readonly Problem[] | undefined> {
  try {
    return await one.ask('prepare', wanted, prepare_ms);
  } catch (error) {
    if (!(error instanceof NoAnswerFromWorker)) return [{ file, message: (error as Error).message }];
    one.kill();
    return undefined;
  }
}

/** What ended every worker that was asked would end those that start with it as well. */
function unanswered(answers: readonly unknown[], file: string): readonly Problem[] | undefined {
  if (answers.length === 0 || answers.some((answer) => answer !== undefined)) return undefined;
  return [{ file, message: 'no worker lived to take it: each ended, or did not answer, while it prepared' }];
}
