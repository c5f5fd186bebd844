import { type Loaded, type Problem, problemText, watchConfig } from '../config.ts';
import type { Log } from '../observe/index.ts';

export interface ReloadingOptions<S> {
  /** What is in force. */
  readonly loaded: Loaded<S>;
  /** Loads the configuration again. */
  load(): Promise<Loaded<S>>;
  /** Off: files are read once. */
  readonly watch?: boolean;
}

export interface Reloading {
  /** Reads everything again now; where that is refused, why, a line for each problem. */
  reload(): Promise<{ readonly applied: boolean; readonly problems: readonly string[] }>;
  close(): Promise<void>;
}

/** Keeps what is in force equal to the files, where they are watched. What is refused is told to the log. */
export function openReloading<S extends { readonly file: string }>(
  { loaded, load, watch }: ReloadingOptions<S>,
  log: Log,
  apply: (next: S) => void | Promise<void>,
): Reloading {
  /** Why the last change was refused. */
  let refusals: readonly string[] = [];
  const refuse = (problems: readonly Problem[]): void => {
    refusals = problems.map(problemText);
    tellRefusal(log, problems);
  };
  const watching = watch === false ? undefined : watchConfig(load, apply, refuse, { initial: loaded });
  return {
    async reload() {
      const refused = (await watching?.reload()) === 'refused';
      return { applied: !refused, problems: refused ? refusals : [] };
    },
    close: async () => watching?.close(),
  };
}

/** One line for each reason why a configuration is not taken. */
function tellRefusal(log: Log, problems: readonly Problem[]): void {
  for (const { file, line = 0, column = 0, message } of problems) {
    const place = line === 0 ? file : `${file}:${line}:${column}`;
    log.error('configuration refused, the last good one stays', { file: place, state: message });
  }
}
