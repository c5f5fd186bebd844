import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { headText, parseHead, type SignedHead } from './head.ts';
import { readLines } from './read-lines.ts';

/** A signed position as it was found; undefined where the line is none. */
export interface FoundHead {
  readonly head: SignedHead | undefined;
  readonly file: string;
  readonly line: number;
  /** The line has no end: somebody may be writing it. */
  readonly torn: boolean;
}

/** The file beside a trail that its positions are written to. */
export function headsFile(dir: string): string {
  return join(dir, 'heads.jsonl');
}

/** Positions beside a trail; none where nobody wrote any. */
export async function* readBeside(dir: string): AsyncGenerator<FoundHead> {
  const file = headsFile(dir);
  if (statSync(file, { throwIfNoEntry: false }) === undefined) return;
  let line = 0;
  for await (const { lines, torn } of readLines(file)) {
    for (const text of lines) {
      line += 1;
      const head = parseHead(text);
      const sound = head !== undefined && headText(head) === text && !torn;
      yield { head: sound ? head : undefined, file, line, torn };
    }
  }
}

/** What a trail's data directory knows of its spools. */
export interface KnownSpools {
  /** Undefined where there are no spools at all: an auditor has the public keys alone. */
  readonly ids: ReadonlySet<string> | undefined;
  /** How far the sink of this place has come. */
  readonly reached: readonly SignedHead[];
  /** Where the spools ended when they signed last: a sink may be behind. */
  readonly ends: readonly SignedHead[];
}

/** Reads the spools of a data directory, for the sink that writes to `place` (its absolute path). */
export function readSpools(dataDir: string, place: string): KnownSpools {
  const spools = join(dataDir, 'spools');
  if (statSync(spools, { throwIfNoEntry: false }) === undefined) return { ids: undefined, reached: [], ends: [] };
  const ids = new Set<string>();
  const reached: SignedHead[] = [];
  const ends: SignedHead[] = [];
  for (const spool of readdirSync(spools)) {
    for (const name of readdirSync(join(spools, spool))) {
      if (name === 'spool.json') ids.add(idIn(join(spools, spool, name)));
      const end = name === 'head.json';
      if (!end && !/^cursor-.*\.json$/.test(name)) continue;
      const head = parseHead(textOf(join(spools, spool, name)));
      if (head === undefined || head.seq === 0) continue;
      if (end) ends.push(head);
      else if (head.place === place) reached.push(head);
    }
  }
  return { ids, reached, ends };
}

function idIn(file: string): string {
  try {
    return String((JSON.parse(textOf(file)) as { id?: unknown }).id);
  } catch {
    return '';
  }
}

/** Empty for a file that went meanwhile: the gateway that writes here may be at work. */
function textOf(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}
