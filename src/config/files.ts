import { readdir, readFile, stat } from 'node:fs/promises';
import { isAbsolute, join, relative, resolve, sep } from 'node:path';

/** Where relative paths start, and what is to be watched. Shared by everything one load reads. */
export interface Reading {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Directory from which providers, policies and `${file:...}` are found. */
  readonly base: string;
  /** Directory from which paths that are written to (data) start, and to which shown paths are relative. */
  readonly cwd: string;
  /** Every file and directory read, absolute: a change of one of them is a reason to load again. */
  readonly watched: Set<string>;
}

/** A text that was read, under the name it is shown by. */
export interface TextFile {
  /** As people see it. */
  readonly path: string;
  /** From the root. */
  readonly place: string;
  readonly text: string;
  /** Of a policy that is not enabled: others may extend or include it. */
  readonly library?: true;
  /**
   * The WebAssembly modules it mentions, in base64, by their paths as written: one that changes is a reason to load again,
   * and whoever starts later has those that are in force. Of one that is too large its hash; empty where there is none.
   */
  readonly modules?: Readonly<Record<string, string>>;
}

/** A path as people see it: relative where it lies below the working directory. */
export function shownPath(path: string, cwd: string): string {
  const below = relative(cwd, path);
  return below === '' || below.startsWith('..') || isAbsolute(below) ? path : below;
}

const depthMax = 8;
const filesMax = 50_000;
const ending = /\.(ya?ml|json)$/;

/**
 * The YAML and JSON files below a directory, sorted by path; names that start with a dot are left out (a mounted
 * config map keeps its versions there). Links are followed, a circle of links ends at a depth of 8.
 */
export async function filesBelow(directory: string, reading: Reading, depth = 0): Promise<string[]> {
  reading.watched.add(directory);
  const found: string[] = [];
  if (depth > depthMax) return found;
  for (const name of (await readdir(directory)).sort()) {
    if (name.startsWith('.')) continue;
    const path = join(directory, name);
    const entry = await stat(path);
    if (entry.isDirectory()) found.push(...(await filesBelow(path, reading, depth + 1)));
    else if (entry.isFile() && ending.test(name)) found.push(path);
    if (found.length > filesMax) throw new Error(`more than ${filesMax} files below ${directory}`);
  }
  return found;
}

/** Reads a file as text and has it watched. */
export async function readText(path: string, reading: Reading): Promise<string> {
  reading.watched.add(path);
  return await readFile(path, 'utf8');
}

/** A file's path below a directory without its ending, with forward slashes: the name `enabled` goes by. */
export function nameBelow(directory: string, path: string): string {
  return relative(directory, path).split(sep).join('/').replace(ending, '');
}

export function basePath(path: string, reading: Pick<Reading, 'base'>): string {
  return resolve(reading.base, path);
}

/** Why a file system call failed, in a word. */
export function reasonOf(error: unknown): string {
  const code = (error as NodeJS.ErrnoException).code;
  if (code === 'ENOENT') return 'does not exist';
  if (code === 'EACCES' || code === 'EPERM') return 'may not be read';
  return error instanceof Error ? `cannot be read (${code ?? error.message})` : 'cannot be read';
}
