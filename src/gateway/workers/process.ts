import cluster, { type Worker } from 'node:cluster';
import type { Figures } from '../../observe/index.ts';
import { servingFlags } from '../heap.ts';
import { type Answered, Channel, type Question, type Questions } from './channel.ts';
import { handOver } from './hand-over.ts';

/** One process of a gateway's workers, from its fork to its exit. */
export class WorkerProcess {
  /** Resolves when it is over: with its exit code, the name of the signal that ended it, or why it could not be started. */
  readonly over: Promise<number | string>;
  readonly #worker: Worker;
  readonly #channel: Channel;

  constructor(program: string) {
    const execArgv = [...servingFlags, ...process.execArgv];
    cluster.setupPrimary({ exec: program, args: [], execArgv, serialization: 'advanced' });
    this.#worker = cluster.fork();
    handOver(this.#worker);
    this.#channel = new Channel((message) => {
      // A pipe that broke is told by the exit.
      if (this.#worker.isConnected()) this.#worker.send(message, undefined, () => {});
    });
    this.#worker.on('message', (message: Answered) => this.#channel.answered(message));
    this.over = new Promise((resolve) => {
      const ended = (how: number | string): void => {
        this.#channel.gone();
        resolve(how);
      };
      this.#worker.once('exit', (code, signal) => ended(signal || code));
      // Without processes or descriptors none is started, and then none exits. What else is wrong the exit tells.
      this.#worker.on('error', (error: NodeJS.ErrnoException) => {
        if (this.pid === undefined) ended(error.code ?? error.message);
      });
    });
  }

  get pid(): number | undefined {
    return this.#worker.process.pid;
  }

  ask<Q extends Question>(ask: Q, told: Questions[Q]['told'], within_ms: number): Promise<Questions[Q]['answer']> {
    return this.#channel.ask(ask, told, within_ms);
  }

  /** As `Channel` has them. */
  get lastFigures(): Figures | undefined {
    return this.#channel.lastFigures;
  }

  kill(): void {
    this.#worker.process.kill('SIGKILL');
  }
}
