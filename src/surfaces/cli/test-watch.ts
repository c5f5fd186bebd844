import { readdir, stat } from 'node:fs/promises';
import { join, sep } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

/** Looks at the files are so far apart, and farther where there are so many that a look takes long. */
const look_ms = 150;
const share_of_time = 0.05;
/** Clocks of files are coarse: what was written a moment before may say that it was written after. */
const coarse_ms = 20;

export interface Watching {
  /** Files and directories, absolute; of directories all that lies below them. */
  readonly places: readonly string[];
  /** Runs once. Resolves to directories it read from beside the places; of those their own files count. */
  run(): Promise<readonly string[]>;
  /** Before it runs again. */
  changed(): void;
  /** A run other than the first one failed. */
  failed(error: unknown): void;
  /** The first run is over. */
  watching(): void;
  readonly signal?: AbortSignal;
}

/** Files by path, each with what changes when it is saved. */
type State = Map<string, string>;

/**
 * Runs, and again whenever a file is another than it was before the last run: what is saved while it runs counts. Files
 * are looked at: the system's notices lose a file that an editor put in the place of another. Rejects where the first run
 * does, or with the signal's reason; else it never ends.
 */
export async function runAndWatch(watching: Watching): Promise<never> {
  const { places, signal } = watching;
  const beside = new Set<string>();
  let known: State = new Map();
  for (let runs = 1; ; runs += 1) {
    const before = await stateOf(places, beside);
    const began_ms = Date.now() - coarse_ms;
    const read = runs === 1 ? await watching.run() : await watching.run().catch(toldTo(watching));
    known = before;
    await follow(known, places, beside, read, began_ms);
    if (runs === 1) watching.watching();
    await untilOther(known, () => stateOf(places, beside), signal);
    watching.changed();
  }
}

function toldTo({ failed }: Watching): (error: unknown) => readonly string[] {
  return (error) => {
    failed(error);
    return [];
  };
}

/** Takes in directories that a run read from for the first time; a file of theirs that was saved since it began is another. */
async function follow(
  known: State,
  places: readonly string[],
  beside: Set<string>,
  read: readonly string[],
  began_ms: number,
): Promise<void> {
  const added = read.filter((directory) => !beside.has(directory));
  for (const directory of added) beside.add(directory);
  if (added.length === 0) return;
  for (const [path, mark] of await stateOf([], new Set(added))) {
    if (known.has(path) || places.some((place) => path.startsWith(`${place}${sep}`))) continue;
    const saved_ms = (await stat(path).catch(() => undefined))?.mtimeMs ?? 0;
    known.set(path, saved_ms >= began_ms ? 'saved meanwhile' : mark);
  }
}

/** Until files are not as they were known, and stay so for two looks: one that is saved in pieces comes as one change. */
async function untilOther(known: State, look: () => Promise<State>, signal: AbortSignal | undefined): Promise<void> {
  let last = known;
  for (;;) {
    const began = performance.now();
    const now = await look();
    if (!same(now, known) && same(now, last)) return;
    last = now;
    const took_ms = performance.now() - began;
    await sleep(Math.max(look_ms, took_ms / share_of_time), undefined, signal === undefined ? {} : { signal });
  }
}

function same(one: State, other: State): boolean {
  return one.size === other.size && [...one].every(([path, mark]) => other.get(path) === mark);
}

async function stateOf(places: readonly string[], beside: ReadonlySet<string>): Promise<State> {
  const state: State = new Map();
  for (const place of places) await take(state, place, true);
  for (const directory of beside) await take(state, directory, false);
  return state;
}

async function take(state: State, place: string, below: boolean): Promise<void> {
  const names = await readdir(place, { recursive: below }).catch(() => undefined);
  const paths = names?.filter((name) => !/(^|[\\/])\./.test(name)).map((name) => join(place, name)) ?? [place];
  for (const path of paths) {
    const entry = await stat(path).catch(() => undefined);
    if (entry?.isFile()) state.set(path, `${entry.ino} ${entry.mtimeMs} ${entry.size}`);
  }
}
