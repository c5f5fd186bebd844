/** A piece of work: the same id is the same work. */
export interface Job {
  /** Letters, digits, `-`, `_` and `.` only. */
  readonly id: string;
  /** Few bytes: what is large is named here, and stays where it is. Read only where the job leaves the process. */
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
 * Thrown by a handler that is the wrong one: what the job names is not within its reach. It says nothing about the work,
 * so the job goes back to the others without counting as tried, until that came to nothing very often.
 */
export class JobRefused extends Error {
  override readonly name = 'JobRefused';
  /** Why, in one word: a log tells it where it keeps messages to itself. */
  readonly code: string;

  constructor(code: string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/**
 * Carries jobs to a handler, at least once each. Handlers must be idempotent: a worker may go away after its work and
 * before its word.
 */
export interface JobQueue {
  /**
   * Puts a job in; resolves when a worker has finished it. A job whose id is waiting, running or lately finished is not
   * put in again. Rejects with `JobFailed` or `QueueUnavailable`. Either way no handler of this process is at work on it
   * any more: memory that the job holds may be used for something else.
   */
  submit(job: Job): Promise<void>;
  /**
   * Starts taking jobs, one at a time and in order of submission. A handler that rejects is tried again after a pause.
   * While its `submit` waits in this process, a handler gets the very object that was put in; else id and payload.
   */
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
