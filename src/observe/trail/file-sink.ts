import { constants } from 'node:fs';
import { type FileHandle, open, readdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { headText, type SignedHead } from './head.ts';
import { parseLine, type SpooledRecord } from './line.ts';
import { absentFrom, findLast } from './look-back.ts';
import { type Run, recordsOf } from './run.ts';
import { RecordConflict, type Sink } from './sink.ts';
import { exclusively, turnsOver } from './turn.ts';

const daily = /^audit-\d{4}-\d{2}-\d{2}\.jsonl$/;
const lateOnes = /^audit-\d{4}-\d{2}-\d{2}-late\.jsonl$/;

/** Name of the file that holds records appended at this time (UTC). */
export function trailFile(at_ms: number): string {
  return `audit-${new Date(at_ms).toISOString().slice(0, 10)}.jsonl`;
}

/** Whether a file has the name of a trail's: of a day, or of what came late of it. */
export function isTrailFile(name: string): boolean {
  return daily.test(name) || lateOnes.test(name);
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
/** Others may have written for hours what one who had nothing to write learns at once: what is more is looked for instead. */
const learned_bytes_max = 4 << 20;
const flags = constants.O_RDWR | constants.O_CREAT | constants.O_APPEND;

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
    if (known === undefined || size - known > learned_bytes_max) {
      size = await repair(file, size);
      // Of whatever spool: another process may have written more of it into this file.
      this.#reached.clear();
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
  async #last(spool: string, seq: number, at_ms: number): Promise<Reached> {
    const reached = this.#reached.get(spool);
    if (reached !== undefined) return reached;
    // Nothing of a spool is older than its first record: a year of files need not be read for it.
    const first = seq === 1 ? trailFile(at_ms) : '';
    for (const name of (await listTrail(this.place)).reverse().filter((one) => one >= first)) {
      const text = await findLast(join(this.place, name), (line) => line.startsWith(`{"v":1,"spool":"${spool}",`));
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
      const again = new Map<string, SpooledRecord[]>();
      for (const record of records) {
        const { spool, seq, at_ms, line } = record;
        const last = moved.get(spool) ?? (await this.#last(spool, seq, at_ms));
        if (seq <= last.seq) {
          again.set(spool, [...(again.get(spool) ?? []), record]);
          continue;
        }
        lines += `${line}\n`;
        moved.set(spool, record);
      }
      for (const gone of again.values()) await this.#complete(gone);
      if (lines === '') {
        // Who wrote them may have been killed before they were on the disk: the spool lets go of what is taken.
        await file.datasync();
        await syncDirectory(this.place);
        return;
      }
      await this.#write(name, file, size, [Buffer.from(lines)]);
      for (const [spool, reached] of moved) this.#reached.set(spool, reached);
    } finally {
      await file.close();
    }
  }

  /** Records of one spool that is further: mostly they come again, and one that never came is written down late. */
  async #complete(records: readonly SpooledRecord[]): Promise<void> {
    const late = (await listLate(this.place)).map((name) => join(this.place, name));
    const daily = (await listTrail(this.place)).reverse().map((name) => join(this.place, name));
    for (const record of await absentFrom(late, daily, records)) await this.#appendLate(record);
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
      // Half a batch may be there: where it cannot be taken back, it is read again before the next try.
      this.#known.delete(name);
      await file.truncate(size).then(
        () => this.#known.set(name, size),
        () => {},
      );
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
      const { seq } = await this.#last(spool, from, first_ms);
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
      const there = await findLast(path, (one) => one.startsWith(start));
      if (there === line) return;
      if (there !== undefined) throw new RecordConflict(spool, seq);
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
