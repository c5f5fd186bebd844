import { readFileSync, rmSync, truncateSync } from 'node:fs';
import { frameAfter, frameAt } from '../embedded/frames.ts';
import { segments } from '../embedded/segments.ts';
import { Replay } from './replay.ts';

/**
 * What the newest whole segment says; undefined for an empty directory. A torn end is cut off with a notice. Throws where
 * whole frames follow a broken one.
 */
export function load(
  directory: string,
  notice: (message: string) => void,
): { readonly replay: Replay; readonly number: number } | undefined {
  for (const { number, file } of [...segments(directory)].reverse()) {
    const replay = new Replay();
    const bytes = readFileSync(file);
    let at = 0;
    for (let next = frameAt(bytes, at); next !== undefined; next = frameAt(bytes, at)) {
      follow(replay, next.text, file, at);
      at = next.end;
    }
    if (at < bytes.length && frameAfter(bytes, at)) {
      throw new Error(`${file}: damaged at byte ${at}, and whole records follow; restore the file or move it away`);
    }
    if (!replay.whole) {
      notice(`${file}: its head was never finished; going on from the segment before it`);
      rmSync(file);
      continue;
    }
    if (at < bytes.length) {
      notice(`${file}: cut off ${bytes.length - at} bytes of a torn last record at byte ${at}`);
      truncateSync(file, at);
    }
    return { replay, number };
  }
  return undefined;
}

function follow(replay: Replay, text: string, file: string, at: number): void {
  for (const line of text.split('\n')) {
    if (line === '') continue;
    try {
      replay.line(line);
    } catch (error) {
      const message = `${file}: the frame at byte ${at} cannot be followed: ${(error as Error).message}`;
      throw new Error(message, { cause: error });
    }
  }
}
