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
