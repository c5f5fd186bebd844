import { type Loaded, problemText } from '../config.ts';

/** Is told how to close each part, as soon as it is open. */
export type Opened = (close: () => unknown) => void;

/**
 * What `assemble` puts together, whole or not at all: where it rejects, what it opened is closed again, the last first,
 * and its reason is passed on. A part that does not even close keeps neither the others open nor the reason back.
 */
export async function openWhole<T>(assemble: (opened: Opened) => Promise<T>): Promise<T> {
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
    throw reason;
  }
}

/** Settings that were loaded. Throws an error of one line for each problem where there are none. */
export function settingsOf<S>({ settings, problems }: Loaded<S>): S {
  if (settings === undefined) throw new Error(problems.map(problemText).join('\n'));
  return settings;
}
