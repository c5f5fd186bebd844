/** A piece of work: the same id is the same work. */
export interface Job {
  /** Letters, digits, `-`, `_` and `.` only. */
  readonly id: string;
  readonly payload: string;
}

/** The queue cannot be reached, does not answer, or is closing. The job may be submitted again. */
export class QueueUnavailable extends Error {
  override readonly name = 'QueueUnavailable';
}

/** The handler failed as often as it may. The job may be submitted again. */
export class JobFailed extends Error {
  override readonly name = 'JobFailed';
}

/**
 * Carries jobs to a handler, at least once each. Handlers must be idempotent: a worker may go away after its work and
 * before its word.
 */
export interface JobQueue {
  /**
   * Puts a job in; resolves when a worker has finished it. A job whose id is waiting, running or lately finished is not
   * put in again. Rejects with `JobFailed` or `QueueUnavailable`.
   */
  submit(job: Job): Promise<void>;
  /** Starts taking jobs, one at a time and in order of submission. A handler that rejects is tried again after a pause. */
  work(handler: (job: Job) => Promise<void>): Promise<void>;
  /** Lets the running job finish; what still waits rejects with `QueueUnavailable`. */
  close(): Promise<void>;
}

export interface QueueOptions {
  /** Times a handler is tried before its job fails. */
  readonly attempts: number;
  /** Pause before the second try; it doubles with each further one. */
  readonly backoff_ms: number;
}
