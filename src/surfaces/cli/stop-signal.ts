import { exit } from './command.ts';

/** Resolves at the first signal to stop; a second one ends the process without waiting. */
export function stopSignal(running: { log(message: string): void }): Promise<void> {
  return new Promise((resolve) => {
    let asked = false;
    const stop = (): void => {
      if (asked) process.exit(exit.failed);
      asked = true;
      running.log('stopping: running calls may end');
      resolve();
    };
    process.on('SIGTERM', stop);
    process.on('SIGINT', stop);
  });
}

/** Beyond what is left to do for a process that has closed everything. */
const linger_ms = 5_000;

/**
 * A process ends by itself once nothing is under way in it. What hangs, as writing does to a disk that does not answer,
 * would keep it for ever, and `exit` waits for that as well.
 */
export function endAnyway(): void {
  setTimeout(() => process.kill(process.pid, 'SIGKILL'), linger_ms).unref();
}
