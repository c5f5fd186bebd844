import {
  closeSync,
  fsyncSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import type { Lines } from '../lines.ts';
import { Frame, frameAt, framesAfter } from './frames.ts';

const frame_bytes = 1_048_576;

/** Begins a line that says how many bytes of its segment are known to be on the disk; for `load`, whoever follows the others. */
export const flushedWord = 'f';

/** The journal's files, oldest first: `ledger-00000001.journal`. Each starts with a snapshot of all there was. */
export function segments(directory: string): { readonly number: number; readonly file: string }[] {
  return readdirSync(directory)
    .flatMap((name) => {
      const match = /^ledger-(\d{8})\.journal$/.exec(name);
      return match === null ? [] : [{ number: Number(match[1]), file: join(directory, name) }];
    })
    .sort((a, b) => a.number - b.number);
}

/** Builds the state that the lines of a segment describe. */
export interface Follower {
  /** Throws for a line that makes no sense: the frame around it was whole, so this is no torn end. */
  line(text: string): void;
  /** Whether the snapshot at the head was read to its end. */
  readonly whole: boolean;
}

export interface Loaded<R extends Follower> {
  readonly replay: R;
  readonly number: number;
  readonly file: string;
  readonly size: number;
}

/**
 * The state the newest segment describes, followed by what `begin` makes; undefined for an empty directory. A torn end is
 * cut off with a notice, a newest segment whose very head is torn (a power cut while it was started) gives way to the one
 * before it. Throws where whole frames follow a broken one: that is damage, and to go on would forget money. But for what was
 * not flushed yet when the power went: its parts reach the disk in any order, and nobody was promised any of it.
 */
export function load<R extends Follower>(
  directory: string,
  notice: (message: string) => void,
  begin: () => R,
): Loaded<R> | undefined {
  for (const { number, file } of segments(directory).reverse()) {
    const replay = begin();
    const bytes = readFileSync(file);
    let at = 0;
    let flushed: number | undefined;
    for (let next = frameAt(bytes, at); next !== undefined; next = frameAt(bytes, at)) {
      follow(replay, next.text, file, at);
      flushed = flushedIn(next.text) ?? flushed;
      at = next.end;
    }
    for (const text of framesAfter(bytes, at)) {
      // What does not say at all how much was flushed may all have been.
      flushed = flushed === undefined ? Number.POSITIVE_INFINITY : Math.max(flushed, flushedIn(text) ?? 0);
      if (flushed <= at) continue;
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
    return { replay, number, file, size: at };
  }
  return undefined;
}

function flushedIn(text: string): number | undefined {
  let flushed: number | undefined;
  for (const [, told] of text.matchAll(/^f (\d+)$/gm)) flushed = Number(told);
  return flushed;
}

function follow(replay: Follower, text: string, file: string, at: number): void {
  let start = 0;
  for (let end = text.indexOf('\n'); end >= 0; end = text.indexOf('\n', start)) {
    try {
      const line = text.slice(start, end);
      if (!line.startsWith(`${flushedWord} `)) replay.line(line);
    } catch (error) {
      throw new Error(`${file}: the frame at byte ${at} cannot be followed: ${(error as Error).message}`, {
        cause: error,
      });
    }
    start = end + 1;
  }
}

/** A segment that is open for writing. */
export interface Started {
  readonly file: string;
  readonly fd: number;
  readonly size: number;
  /** Its name may not be on the disk, and with it nothing that is written to it. */
  readonly spoiled?: Error;
}

/**
 * Starts segment `number` with the lines that `head` writes where `next` says, under its name only once it is whole. Throws
 * only while it has no name: with one it is what the next process reads, so nothing may be written to the segment before it.
 */
export function start(
  directory: string,
  number: number,
  sync: boolean,
  head: (next: () => Lines) => void,
  notice: (message: string) => void = () => {},
): Started {
  const file = join(directory, `ledger-${String(number).padStart(8, '0')}.journal`);
  const draft = `${file}.draft`;
  const fd = openSync(draft, 'w', 0o600);
  const frame = new Frame();
  let size = 0;
  const put = () => {
    frame.seal();
    for (let done = 0; done < frame.size; ) done += writeSync(fd, frame.bytes, done, frame.size - done);
    size += frame.size;
    frame.clear();
  };
  let place: number | undefined;
  try {
    head(() => {
      if (frame.size > frame_bytes) put();
      return frame;
    });
    if (!frame.empty) put();
    if (sync) {
      fsyncSync(fd);
      place = openSync(directory, 'r');
    }
    renameSync(draft, file);
  } catch (error) {
    if (place !== undefined) closeSync(place);
    closeSync(fd);
    // On a full disk its bytes are what the journal needs to go on.
    rmSync(draft, { force: true });
    throw error;
  }
  if (place === undefined) return { file, fd, size };
  try {
    fsyncSync(place);
    return { file, fd, size };
  } catch (error) {
    notice(`${file}: its name may not be on the disk yet: ${(error as Error).message}`);
    return { file, fd, size, spoiled: error as Error };
  } finally {
    closeSync(place);
  }
}

/** Deletes the oldest closed segments beyond `bytes_max`, never the two newest. */
function discard(directory: string, bytes_max: number): void {
  const all = segments(directory).map(({ file }) => ({ file, bytes: statSync(file).size }));
  let bytes = all.reduce((total, one) => total + one.bytes, 0);
  for (const one of all.slice(0, -2)) {
    if (bytes <= bytes_max) return;
    rmSync(one.file);
    bytes -= one.bytes;
  }
}

export interface Succession {
  readonly directory: string;
  /** Of the segment there is. */
  readonly number: number;
  /** Whether a segment is on the disk before it is used. */
  readonly sync: boolean;
  /** Closed segments kept beside the two newest. */
  readonly bytes_max: number;
  /** Names everything anew from now on. */
  readonly restart: () => void;
  /** Writes all there is where `next` says, as the head of the segment of that number. */
  readonly head: (next: () => Lines, number: number) => void;
  readonly notice: (message: string) => void;
}

/** Starts the next segment each time it is called, and lets go of the oldest. Throws only where none was started. */
export function succession({ directory, sync, bytes_max, restart, head, notice, ...from }: Succession): () => Started {
  let { number } = from;
  return () => {
    restart();
    let next: Started;
    try {
      next = start(directory, number + 1, sync, (lines) => head(lines, number + 1), notice);
    } catch (error) {
      // The names went into a draft nobody will read: the old segment has to name everything again.
      restart();
      throw error;
    }
    number++;
    try {
      discard(directory, bytes_max);
    } catch (error) {
      notice(`old segments of the journal cannot be removed: ${(error as Error).message}`);
    }
    return next;
  };
}
