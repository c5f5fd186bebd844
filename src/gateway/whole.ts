import { resolve } from 'node:path';
import { type Loaded, problemText } from '../config.ts';

/** Is told how to close each part, as soon as it is open. */
export type Opened = (close: () => unknown) => void;

/**
 * What `assemble` puts together, whole or not at all: where it rejects, what it opened is closed again, the last first,
 * and its reason is passed on, that of a full disk in words. A part that does not even close keeps neither the others open
 * nor the reason back. `data` is the directory its parts write to.
 */
export async function openWhole<T>(data: string, assemble: (opened: Opened) => Promise<T>): Promise<T> {
  const closes: (() => unknown)[] = [];
  try {
    return await assemble((close) => closes.push(close));
  } catch (reason) {
    for (const close of closes.reverse()) {
      try {
        await close();
      } catch {
        // Why it could not be opened is what there is to tell.
      }
    }
    throw fullDiskInWords(reason, data);
  }
}

/** Why something could not be opened: the system says of a full disk neither which one it is nor what to do. */
export function fullDiskInWords(reason: unknown, data: string): unknown {
  const { code, path, message } = reason as NodeJS.ErrnoException;
  if (code !== 'ENOSPC' && code !== 'EDQUOT') return reason;
  const advice = 'make room there and start again: what was written down before is whole';
  return new Error(`no room is left on the disk of ${path ?? resolve(data)}; ${advice} (${message})`, {
    cause: reason,
  });
}

/** Settings that were loaded. Throws an error of one line for each problem where there are none. */
export function settingsOf<S>({ settings, problems }: Loaded<S>): S {
  if (settings === undefined) throw new Error(problems.map(problemText).join('\n'));
  return settings;
}
