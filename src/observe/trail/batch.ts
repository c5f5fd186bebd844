import { closeSync, openSync, readSync, statSync } from 'node:fs';
import { genesis, parseLine } from './line.ts';
import type { Run } from './run.ts';
import { listSegments, segmentFile } from './segment.ts';
import type { Spool } from './spool.ts';

/** A place in a spool's segments. */
export interface Place {
  readonly segment: number;
  readonly offset: number;
}

/** Records that follow a place, and where those after them begin. */
export interface Batch extends Place {
  /** Where the first of them begins, or what lies just before it. */
  readonly start: Place;
  readonly from: number;
  readonly to: number;
  readonly hash: string;
  readonly count: number;
  /** Their lines, without newlines. */
  readonly lines: () => readonly string[];
  /** As they lie in memory, where they do. */
  readonly run?: Run;
}

export const batch_bytes_max = 1 << 21;

/** What was found from a place on. */
interface Found {
  /** How far it was looked. */
  readonly at: Place;
  /** Undefined where there are no records. */
  readonly batch?: Batch;
  /** Whether a segment on the way there is gone; before the first one (0) none is missed. */
  readonly gone: boolean;
}

/**
 * The next records from a place on: as many whole ones as fit two megabytes, at most `limit`. A line that is no record
 * any more (a broken disk) comes alone, with `from` 0. Throws where the segment that is written cannot be read.
 */
export function readBatch(spool: Spool, from: Place, limit: number): Found {
  let { segment, offset } = from;
  let gone = false;
  for (;;) {
    const current = spool.current;
    segment = Math.min(segment, current.number);
    const path = segmentFile(spool.dir, segment);
    const size = segment === current.number ? current.size : statSync(path, { throwIfNoEntry: false })?.size;
    gone ||= size === undefined && segment > 0;
    const found = offset < (size ?? 0) ? readLines(path, offset, size ?? 0, limit) : undefined;
    if (found !== undefined) {
      const at = { segment, offset };
      if (found.lines.length > 0) return { at, batch: sound(path, segment, offset, size ?? 0, found), gone };
      offset = found.end;
    } else {
      if (segment >= current.number) return { at: { segment, offset }, gone };
      const next = listSegments(spool.dir).find((one) => one > segment) ?? current.number;
      gone ||= segment > 0 && next > segment + 1;
      segment = next;
      offset = 0;
    }
  }
}

/** Cuts a batch before a line at its border that is no record; one that begins with such a line is that line alone. */
function sound(path: string, segment: number, offset: number, size: number, found: Lines): Batch {
  const first = parseLine(found.lines[0] ?? '');
  const last = parseLine(found.lines.at(-1) ?? '');
  if (first !== undefined && last !== undefined) {
    const start = { segment, offset };
    return { start, segment, offset: found.end, from: first.seq, to: last.seq, hash: last.hash, ...held(found) };
  }
  const fewer = first === undefined ? 1 : found.lines.length - 1;
  const cut = readLines(path, offset, size, fewer) ?? found;
  if (first !== undefined) return sound(path, segment, offset, size, cut);
  return { start: { segment, offset }, segment, offset: cut.end, from: 0, to: 0, hash: genesis, ...held(cut) };
}

function held({ lines }: Lines): Pick<Batch, 'count' | 'lines'> {
  return { count: lines.length, lines: () => lines };
}

interface Lines {
  readonly lines: readonly string[];
  readonly end: number;
}

/** Record lines between two offsets of a segment, as many whole ones as fit a batch and its limit. */
function readLines(path: string, start: number, size: number, limit: number): Lines | undefined {
  const fd = openSync(path, 'r');
  try {
    for (let length = batch_bytes_max; ; length *= 2) {
      const bytes = Buffer.allocUnsafe(Math.min(length, size - start));
      const got = readSync(fd, bytes, 0, bytes.length, start);
      const end = bytes.subarray(0, got).lastIndexOf(10) + 1;
      if (end === 0 && got === bytes.length && bytes.length < size - start) continue;
      if (end === 0) return undefined;
      const lines = bytes
        .toString('utf8', 0, end - 1)
        .split('\n')
        .filter(isRecord);
      return lines.length <= limit ? { lines, end: start + end } : cutAt(bytes, start, limit);
    }
  } finally {
    closeSync(fd);
  }
}

/** Whether a line of a segment is meant to be a record's. */
export function isRecord(line: string): boolean {
  return line.startsWith('{"v":1,');
}

/** The first `limit` records of bytes that hold more. */
function cutAt(bytes: Buffer, start: number, limit: number): Lines {
  const lines: string[] = [];
  let at = 0;
  while (lines.length < limit) {
    const end = bytes.indexOf(10, at);
    const line = bytes.toString('utf8', at, end);
    if (isRecord(line)) lines.push(line);
    at = end + 1;
  }
  return { lines, end: start + at };
}
