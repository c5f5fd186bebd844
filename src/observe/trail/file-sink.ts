import { constants } from 'node:fs';
import { type FileHandle, mkdir, open, readdir, readFile, rm, stat, unlink, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { headText, type SignedHead } from './head.ts';
import { parseLine, type SpooledRecord } from './line.ts';
import type { Sink } from './sink.ts';

const day = /^audit-(\d{4}-\d{2}-\d{2})\.jsonl$/;

/** Name of the file that holds records appended at this time (UTC). */
export function trailFile(at_ms: number): string {
  return `audit-${new Date(at_ms).toISOString().slice(0, 10)}.jsonl`;
}

/** Files of a trail, oldest first. */
export async function listTrail(dir: string): Promise<string[]> {
  return (await readdir(dir)).filter((name) => day.test(name)).sort();
}

const block_bytes = 1 << 18;

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

/** Serves one after another within the process, and by a lock file between processes. */
const turns = new Map<string, Promise<unknown>>();

async function takeLock(path: string): Promise<void> {
  for (let tries = 0; ; tries++) {
    try {
      await writeFile(path, String(process.pid), { flag: 'wx' });
      return;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    }
    const owner = Number(await readFile(path, 'utf8').catch(() => '0'));
    // Without a number its maker died before it wrote one, unless it is only just being made.
    const unnamed =
      owner === 0 && Date.now() - ((await stat(path).catch(() => undefined))?.mtimeMs ?? Date.now()) > 5000;
    if (owner === process.pid || unnamed || (owner > 0 && gone(owner))) {
      await rm(path, { force: true });
    } else if (tries > 200) {
      throw new Error(`${path} is held by process ${owner}`);
    } else {
      await new Promise((next) => setTimeout(next, 5 + tries));
    }
  }
}

function gone(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return false;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ESRCH';
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

  /** The directory is made where it is missing, at first or because somebody removed it. */
  async #lock(lock: string): Promise<void> {
    try {
      await takeLock(lock);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
      await mkdir(this.place, { recursive: true, mode: 0o750 });
      await takeLock(lock);
    }
  }

  async #exclusively<T>(step: () => Promise<T>): Promise<T> {
    const before = turns.get(this.place) ?? Promise.resolve();
    const turn = before.then(async () => {
      const lock = join(this.place, 'write.lock');
      await this.#lock(lock);
      try {
        return await step();
      } finally {
        await unlink(lock).catch(() => {});
      }
    });
    turns.set(
      this.place,
      turn.catch(() => {}),
    );
    return turn;
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
    const path = join(this.place, name);
    const file = await open(path, constants.O_RDWR | constants.O_CREAT | constants.O_APPEND, 0o640);
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
      const bytes = Buffer.from(lines);
      try {
        await file.appendFile(bytes);
        await file.datasync();
      } catch (error) {
        // Half a batch may be there: it is read again before the next try.
        await file.truncate(size).catch(() => {});
        this.#known.delete(name);
        throw error;
      }
      for (const [spool, reached] of moved) this.#reached.set(spool, reached);
      this.#known.set(name, size + bytes.length);
      if (size === 0) await syncDirectory(this.place);
    } finally {
      await file.close();
    }
  }

  write(batch: readonly SpooledRecord[]): Promise<void> {
    return this.#exclusively(async () => {
      let from = 0;
      while (from < batch.length) {
        const name = trailFile(batch[from]?.at_ms ?? 0);
        let to = from + 1;
        while (to < batch.length && trailFile(batch[to]?.at_ms ?? 0) === name) to++;
        await this.#append(name, batch.slice(from, to));
        from = to;
      }
    });
  }

  seal(head: SignedHead): Promise<void> {
    return this.#exclusively(async () => {
      const file = await open(
        join(this.place, 'heads.jsonl'),
        constants.O_RDWR | constants.O_CREAT | constants.O_APPEND,
        0o640,
      );
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
    await turns.get(this.place);
  }
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
