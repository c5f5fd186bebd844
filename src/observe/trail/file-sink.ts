import { constants } from 'node:fs';
import { type FileHandle, open, readdir, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { headText, type SignedHead } from './head.ts';
import { parseLine, type SpooledRecord } from './line.ts';
import { type Run, recordsOf } from './run.ts';
import type { Sink } from './sink.ts';
import { exclusively, turnsOver } from './turn.ts';

const daily = /^audit-\d{4}-\d{2}-\d{2}\.jsonl$/;
const lateOnes = /^audit-\d{4}-\d{2}-\d{2}-late\.jsonl$/;

/** Name of the file that holds records appended at this time (UTC). */
export function trailFile(at_ms: number): string {
  return `audit-${new Date(at_ms).toISOString().slice(0, 10)}.jsonl`;
}

/** Days since the epoch, UTC. */
function dayOf(at_ms: number): number {
  return Math.floor(at_ms / 86_400_000);
}

/** Files of a trail, oldest first. */
export async function listTrail(dir: string): Promise<string[]> {
  return (await readdir(dir)).filter((name) => daily.test(name)).sort();
}

/** Files beside them with records whose place in the others had gone by when they came. */
export async function listLate(dir: string): Promise<string[]> {
  return (await readdir(dir)).filter((name) => lateOnes.test(name)).sort();
}

const block_bytes = 1 << 18;
const flags = constants.O_RDWR | constants.O_CREAT | constants.O_APPEND;

/** Reads lines from the end backwards until one satisfies; undefined where none does. */
async function findLast(path: string, size: number, wanted: (line: string) => boolean): Promise<string | undefined> {
  const file = await open(path, 'r');
  try {
    let tail: Buffer = Buffer.alloc(0);
    for (let from = size; from > 0; ) {
      const length = Math.min(block_bytes, from);
      from -= length;
      const block = Buffer.alloc(length);
      await file.read(block, 0, length, from);
      const bytes = Buffer.concat([block, tail]);
      // The first line may have begun in an earlier block.
      const cut = from === 0 ? 0 : bytes.indexOf(10) + 1;
      if (cut === 0 && from > 0) {
        tail = bytes;
        continue;
      }
      const hit = bytes.toString('utf8', cut).split('\n').findLast(wanted);
      if (hit !== undefined) return hit;
      tail = bytes.subarray(0, cut);
    }
    return undefined;
  } finally {
    await file.close();
  }
}

/** How far a spool's records have come in this directory. */
interface Reached {
  readonly seq: number;
  readonly hash: string;
}

class FileSink implements Sink {
  readonly name: string;
  readonly place: string;
  readonly #reached = new Map<string, Reached>();
  /** Bytes of each file whose lines are known. */
  readonly #known = new Map<string, number>();

  constructor(dir: string, name: string) {
    this.place = resolve(dir);
    this.name = name;
  }

  /** Cuts a torn last line (its batch was never acknowledged and comes again) and learns what others appended. */
  async #catchUp(name: string, file: FileHandle): Promise<number> {
    let size = (await file.stat()).size;
    const known = this.#known.get(name);
    if (known === undefined) {
      size = await repair(file, size);
    } else if (size > known) {
      const bytes = Buffer.alloc(size - known);
      await file.read(bytes, 0, bytes.length, known);
      const end = bytes.lastIndexOf(10) + 1;
      for (const text of bytes.toString('utf8', 0, end).split('\n')) {
        const line = parseLine(text);
        if (line !== undefined) this.#reached.set(line.spool, line);
      }
      if (end < bytes.length) await file.truncate(known + end);
      size = known + end;
    }
    this.#known.set(name, size);
    return size;
  }

  /** The last record of a spool, looked for from the newest file back. */
  async #last(spool: string, first: number): Promise<Reached> {
    const reached = this.#reached.get(spool);
    if (reached !== undefined) return reached;
    const files = (await listTrail(this.place)).reverse();
    // A spool's first batch can only have been written lately: a year of files need not be read for it.
    for (const name of first === 1 ? files.slice(0, 2) : files) {
      const path = join(this.place, name);
      const text = await findLast(path, (await stat(path)).size, (line) =>
        line.startsWith(`{"v":1,"spool":"${spool}",`),
      );
      const line = text === undefined ? undefined : parseLine(text);
      if (line !== undefined) {
        this.#reached.set(spool, line);
        return line;
      }
    }
    return { seq: 0, hash: '' };
  }

  async #append(name: string, records: readonly SpooledRecord[]): Promise<void> {
    const file = await open(join(this.place, name), flags, 0o640);
    try {
      const size = await this.#catchUp(name, file);
      let lines = '';
      const moved = new Map<string, Reached>();
      for (const record of records) {
        const last = moved.get(record.spool) ?? (await this.#last(record.spool, record.seq));
        if (record.seq === last.seq && record.hash !== last.hash) {
          throw new Error(`Record ${record.seq} of spool ${record.spool} is there already with another hash`);
        }
        if (record.seq <= last.seq) continue;
        lines += `${record.line}\n`;
        moved.set(record.spool, record);
      }
      if (lines === '') return;
      await this.#write(name, file, size, [Buffer.from(lines)]);
      for (const [spool, reached] of moved) this.#reached.set(spool, reached);
    } finally {
      await file.close();
    }
  }

  /** Appends to a file of this size, and to the platter. */
  async #write(name: string, file: FileHandle, size: number, parts: readonly Uint8Array[]): Promise<void> {
    let end = size;
    try {
      // All at once: each turn of another thread costs this one more than the bytes do.
      for (let rest = parts; rest.length > 0; ) {
        const { bytesWritten } = await file.writev(rest);
        end += bytesWritten;
        rest = after(rest, bytesWritten);
      }
      await file.datasync();
    } catch (error) {
      // Half a batch may be there: it is read again before the next try.
      await file.truncate(size).catch(() => {});
      this.#known.delete(name);
      throw error;
    }
    this.#known.set(name, end);
    if (size === 0) await syncDirectory(this.place);
  }

  /** Whether the records of a run were appended as they lie: all of one day, and just behind those that are there. */
  async #appendRun({ spool, from, to, hash, first_ms, last_ms, bytes }: Run): Promise<boolean> {
    if (dayOf(first_ms) !== dayOf(last_ms)) return false;
    const name = trailFile(first_ms);
    const file = await open(join(this.place, name), flags, 0o640);
    try {
      const size = await this.#catchUp(name, file);
      const { seq } = await this.#last(spool, from);
      if (seq !== from - 1) return false;
      await this.#write(name, file, size, bytes);
      this.#reached.set(spool, { seq: to, hash });
      return true;
    } finally {
      await file.close();
    }
  }

  /** Records whose place has gone by: each is looked for, and written to a file of its own kind where it is nowhere. */
  async #appendLate({ spool, seq, at_ms, line }: SpooledRecord): Promise<void> {
    const name = trailFile(at_ms).replace('.jsonl', '-late.jsonl');
    const start = `{"v":1,"spool":"${spool}","seq":${seq},`;
    const files = [...(await listLate(this.place)), ...(await listTrail(this.place))];
    for (const path of files.map((one) => join(this.place, one))) {
      const there = await findLast(path, (await stat(path)).size, (one) => one.startsWith(start));
      if (there === line) return;
      if (there !== undefined) throw new Error(`Record ${seq} of spool ${spool} is there already with another hash`);
    }
    const file = await open(join(this.place, name), flags, 0o640);
    try {
      await repair(file, (await file.stat()).size);
      await file.appendFile(`${line}\n`);
      await file.datasync();
    } finally {
      await file.close();
    }
    await syncDirectory(this.place);
  }

  write(batch: readonly SpooledRecord[], { late } = { late: false }): Promise<void> {
    return exclusively(this.place, async () => {
      if (!late) return this.#appendAll(batch);
      for (const record of batch) await this.#appendLate(record);
    });
  }

  append(run: Run): Promise<void> {
    return exclusively(this.place, async () => {
      if (!(await this.#appendRun(run))) await this.#appendAll(recordsOf(run));
    });
  }

  /** Day by day. */
  async #appendAll(batch: readonly SpooledRecord[]): Promise<void> {
    let from = 0;
    while (from < batch.length) {
      const at_ms = batch[from]?.at_ms ?? 0;
      let to = from + 1;
      while (to < batch.length && dayOf(batch[to]?.at_ms ?? 0) === dayOf(at_ms)) to++;
      await this.#append(trailFile(at_ms), batch.slice(from, to));
      from = to;
    }
  }

  seal(head: SignedHead): Promise<void> {
    return exclusively(this.place, async () => {
      const file = await open(join(this.place, 'heads.jsonl'), flags, 0o640);
      try {
        await repair(file, (await file.stat()).size);
        await file.appendFile(`${headText(head)}\n`);
        await file.datasync();
      } finally {
        await file.close();
      }
    });
  }

  async close(): Promise<void> {
    await turnsOver(this.place);
  }
}

/** What is left of parts once so many bytes of them are written. */
function after(parts: readonly Uint8Array[], written: number): readonly Uint8Array[] {
  let left = written;
  return parts.flatMap((part) => {
    const done = Math.min(left, part.length);
    left -= done;
    return done === part.length ? [] : [part.subarray(done)];
  });
}

/** Cuts what follows the last newline. Returns the file's size. */
async function repair(file: FileHandle, size: number): Promise<number> {
  let end = size;
  while (end > 0) {
    const length = Math.min(block_bytes, end);
    const block = Buffer.alloc(length);
    await file.read(block, 0, length, end - length);
    const newline = block.lastIndexOf(10);
    if (newline >= 0) {
      end = end - length + newline + 1;
      break;
    }
    end -= length;
  }
  if (end < size) await file.truncate(end);
  return end;
}

async function syncDirectory(dir: string): Promise<void> {
  const handle = await open(dir, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/**
 * A trail in daily files `audit-YYYY-MM-DD.jsonl` (UTC, by the time of appending) with signed positions in
 * `heads.jsonl`. Each record once, whatever comes twice; several processes may share the directory.
 */
export function fileSink(dir: string, name = 'file'): Sink {
  return new FileSink(dir, name);
}
