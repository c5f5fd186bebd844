import '../ticks.ts';
import { setTimeout as wait } from 'node:timers/promises';
import { openLog, openMetrics } from '../../observe/index.ts';
import { leaveStartBehind, tuneHeap } from '../heap.ts';
import { drained, listen } from '../listening.ts';
import { openServing, type Serving } from '../serving.ts';
import { openWhole } from '../whole.ts';
import { type Answered, type Asked, leaving, listening, type Question, type Questions, type Start } from './channel.ts';
import { unpackSettings } from './parcel.ts';

const say = (answered: Answered) => new Promise((said) => process.send?.(answered, undefined, {}, said));

/** A process that serves calls for the one that started it, and does what that one asks. */
class Worker {
  readonly #metrics = openMetrics();
  #serving: Serving | undefined;
  #drained: Promise<Questions['drain']['answer']> | undefined;
  #prepared: { readonly version: number; commit(): void; discard(): void } | undefined;

  readonly #answers: { readonly [Q in Question]: (told: Questions[Q]['told']) => Promise<Questions[Q]['answer']> } = {
    start: (told) => this.#start(told),
    prepare: async ({ version, parcel }) => {
      this.#prepared?.discard();
      this.#prepared = undefined;
      const next = unpackSettings(parcel);
      try {
        this.#prepared = { version, ...this.#running.prepare(next) };
        return [];
      } catch (thrown) {
        const { problems, message } = thrown as { problems?: unknown; message?: unknown };
        return Array.isArray(problems) && problems.length > 0
          ? problems
          : [{ file: next.file, message: String(message ?? thrown) }];
      }
    },
    commit: async ({ version }) => {
      if (this.#prepared?.version !== version) throw new Error(`configuration ${version} was not prepared`);
      this.#prepared.commit();
      this.#prepared = undefined;
      return undefined;
    },
    discard: async ({ version }) => {
      if (this.#prepared?.version !== version) return undefined;
      this.#prepared.discard();
      this.#prepared = undefined;
      return undefined;
    },
    figures: async () => {
      this.#running.refreshCircuits();
      return await this.#metrics.figures();
    },
    health: async () => ({ ...this.#running.readiness(), audit: this.#running.trail.state() }),
    recent: async (filter) => this.#running.trail.recent(filter),
    evaluations: async () => this.#running.point.recent.list(),
    retryAside: () => this.#running.trail.retryAside(),
    drain: ({ grace_ms }) => this.#drain(grace_ms),
  };

  get #running(): Serving {
    if (this.#serving === undefined) throw new Error('the worker has not started');
    return this.#serving;
  }

  async #start({ slot, parcel, adminListens }: Start): Promise<string> {
    const settings = unpackSettings(parcel);
    const log = openLog({ level: settings.telemetry.log_level }).child({ worker: slot });
    const metrics = this.#metrics;
    return await openWhole(settings.state.path, async (opened) => {
      this.#serving = await openServing({ settings, slot, log, metrics, adminListens, opened });
      metrics.readAudit(() => this.#running.trail.state());
      leaveStartBehind();
      return await listen(this.#serving.data.app, { ...settings.server, section: 'server' });
    });
  }

  /** Once, whoever asks for it: a service manager tells every process, and the primary asks its workers as well. */
  #drain(grace_ms: number): Promise<Questions['drain']['answer']> {
    this.#drained ??= this.#drainOnce(grace_ms);
    return this.#drained;
  }

  async #drainOnce(grace_ms: number) {
    const began = performance.now();
    this.#running.leaving();
    await drained(this.#running.data, grace_ms);
    await this.#running.close(Math.max(0, grace_ms - (performance.now() - began)));
    return await this.#metrics.figures();
  }

  async hear({ id, ask, told }: Asked): Promise<void> {
    const answer = this.#answers[ask] as (told: unknown) => Promise<unknown>;
    try {
      await say({ id, answer: await answer(told) });
    } catch (thrown) {
      await say({ id, failed: thrown instanceof Error ? thrown.message : String(thrown) });
      if (ask === 'start') process.exit(1);
    }
    if (ask === 'drain') process.exit(0);
  }

  /** Whoever stops this process alone gets what a drain is; the one that started it makes another. */
  async end(): Promise<void> {
    if (this.#serving === undefined) process.exit(0);
    const { shutdown_grace_ms } = this.#running.settings.server;
    // Nobody may be there to end it any more.
    void wait(shutdown_grace_ms + 20_000, undefined, { ref: false }).then(() => process.exit(1));
    const answer = await this.#drain(shutdown_grace_ms);
    await say({ id: leaving, answer });
    process.exit(0);
  }
}

tuneHeap();
const worker = new Worker();
process.on('message', (message: Asked) => void worker.hear(message));
// What is said before somebody listens is lost.
process.send?.({ id: listening } satisfies Answered);
// A terminal sends these to every process of the group: what is to happen is said over the pipe.
process.on('SIGINT', () => {});
process.on('SIGHUP', () => {});
process.on('SIGUSR2', () => {});
process.once('SIGTERM', () => void worker.end());
