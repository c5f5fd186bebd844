import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { writePrivateFile } from '../../stores/index.ts';

/** A record that a sink would not take though it took others, kept whole until it is tried again. */
export interface Aside {
  readonly spool: string;
  readonly sink: string;
  readonly seq: number;
  /** When it was set aside, Unix ms. */
  readonly at_ms: number;
  readonly reason: string;
}

interface Entry {
  readonly seq: number;
  readonly at_ms: number;
  readonly reason: string;
  /** The record's line. */
  readonly line: string;
}

const fileName = /^aside-([\w-]+)\.jsonl$/;

function asidePath(dir: string, sink: string): string {
  return join(dir, `aside-${sink}.jsonl`);
}

/** The first line set aside in a spool's directory for a sink that is wanted. Throws where the file cannot be read. */
export function asideLine(dir: string, sink: string, wanted: (line: string) => boolean): string | undefined {
  return entriesIn(asidePath(dir, sink)).find(({ line }) => wanted(line))?.line;
}

/** Records of one spool that one sink would not take, in a file beside the spool. */
export class AsideFile {
  readonly #path: string;
  #entries: readonly Entry[];

  constructor(dir: string, sink: string) {
    this.#path = asidePath(dir, sink);
    this.#entries = entriesIn(this.#path);
  }

  get entries(): readonly Entry[] {
    return this.#entries;
  }

  /** On disk when it returns. Throws where the disk does not take it. */
  add(entry: Entry): void {
    this.#write([...this.#entries.filter(({ line }) => line !== entry.line), entry]);
  }

  /** Whether it was there. On disk when it returns. */
  remove(line: string): boolean {
    const others = this.#entries.filter((entry) => entry.line !== line);
    if (others.length === this.#entries.length) return false;
    this.#write(others);
    return true;
  }

  #write(entries: readonly Entry[]): void {
    writePrivateFile(this.#path, entries.map((entry) => `${JSON.stringify(entry)}\n`).join(''));
    this.#entries = entries;
  }
}

/** None where there is no file. Throws where there is one that cannot be read: the next one would take its place. */
function entriesIn(path: string): readonly Entry[] {
  try {
    return readFileSync(path, 'utf8')
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as Entry);
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw new Error(`${path} holds records that are set aside, and cannot be read`, { cause });
  }
}

/** Everything set aside below a trail's data directory, of all spools and sinks, oldest first. Throws where a file of it cannot be read. */
export function listAside(dataDir: string): readonly Aside[] {
  const spools = join(dataDir, 'spools');
  return namesIn(spools)
    .flatMap((spool) => namesIn(join(spools, spool)).map((name) => ({ spool, name, sink: fileName.exec(name)?.[1] })))
    .flatMap(({ spool, name, sink = '' }) =>
      sink === ''
        ? []
        : entriesIn(join(spools, spool, name)).map(({ seq, at_ms, reason }) => ({ spool, sink, seq, at_ms, reason })),
    )
    .sort((one, other) => one.at_ms - other.at_ms);
}

function namesIn(directory: string): readonly string[] {
  try {
    return readdirSync(directory);
  } catch {
    return [];
  }
}

const reason_max = 200;

/** What a sink said, without the queue's words around it. */
export function reasonOf(error: unknown): string {
  const { cause, message } = error as Error;
  return (cause instanceof Error ? cause.message : message).slice(0, reason_max);
}
