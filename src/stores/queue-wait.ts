import type { Job } from './queue.ts';

/** How a job ended, or why nobody waits for it any more. */
export type Ending =
  | { readonly kind: 'done' }
  | { readonly kind: 'failed'; readonly cause: Error }
  | { readonly kind: 'closed' };

/** Somebody of this process waits for a job. */
export class Wait {
  readonly job: Job;
  /** What `submit` promised. */
  done: Promise<void> = Promise.resolve();
  #ending: Ending | undefined;
  #wake: () => void = () => {};

  constructor(job: Job) {
    this.job = job;
  }

  /** The first ending counts. */
  tell(ending: Ending): void {
    this.#ending ??= ending;
    this.#wake();
  }

  /** How it ended, as soon as that is told; undefined where it is not within the time. */
  told(ms: number): Promise<Ending | undefined> {
    if (this.#ending !== undefined) return Promise.resolve(this.#ending);
    return new Promise((resolve) => {
      const timer = setTimeout(() => resolve(undefined), ms);
      this.#wake = () => {
        clearTimeout(timer);
        resolve(this.#ending);
      };
    });
  }
}
