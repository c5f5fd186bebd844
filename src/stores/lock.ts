import { createHash } from 'node:crypto';
import {
  closeSync,
  ftruncateSync,
  linkSync,
  lstatSync,
  openSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { hostname } from 'node:os';

interface Owner {
  readonly pid: number;
  /** When the process started, in the kernel's ticks: a pid alone is given out again. */
  readonly started: string;
  readonly host: string;
}

export interface Lock {
  release(): void;
}

const beat_ms = 5_000;
const silent_ms = 20_000;
const tries_max = 100;
const pause_ms = 5;

/**
 * Makes this process the owner of what `file` stands for. Throws where another one is alive; takes over from a dead
 * one, which of several that find it exactly one does. An owner on another host cannot be asked, so it counts as alive
 * while it touches the file.
 */
export function lock(file: string): Lock {
  const held = tried(file, tries_max);
  if ('release' in held) return held;
  const who = held.owner === undefined ? 'another process' : `process ${held.owner.pid} on ${held.owner.host}`;
  throw new Error(`${file}: ${who} holds this; only one process may open it at a time`);
}

/** The same; undefined where another one is alive, or about to take over. */
export function tryLock(file: string): Lock | undefined {
  const held = tried(file, 1);
  return 'release' in held ? held : undefined;
}

function tried(file: string, tries_max: number): Lock | { readonly owner: Owner | undefined } {
  const text = ownWords();
  for (let tries = 1; ; tries++) {
    const held = read(file);
    const owner = held === undefined ? undefined : parse(held);
    if (owner !== undefined && alive(file, owner)) return { owner };
    if (held === undefined ? created(file, text) : claimed(file, held, text, () => takenOver(file, held, text))) break;
    if (tries === tries_max) return { owner: undefined };
    // Whoever was faster needs a moment.
    Atomics.wait(nobody, 0, 0, pause_ms);
  }
  const beat = setInterval(() => {
    try {
      utimesSync(file, new Date(), new Date());
    } catch {
      // The file is gone with its directory: nothing is left to guard.
    }
  }, beat_ms).unref();
  return {
    release() {
      clearInterval(beat);
      if (read(file) === text) rmSync(file, { force: true });
    },
  };
}

let words: string | undefined;

/** Who this process is. */
function ownWords(): string {
  const mine = (): Owner => ({ pid: process.pid, started: startOf(process.pid) ?? '', host: hostname() });
  words ??= JSON.stringify(mine());
  return words;
}

/** Never woken: a sleep. */
const nobody = new Int32Array(new SharedArrayBuffer(4));

function created(file: string, text: string): boolean {
  // A file that appears with its content: nobody can read a lock that does not say whose it is.
  const draft = `${file}.${process.pid}.${Math.random().toString(36).slice(2)}`;
  try {
    writeFileSync(draft, text, { mode: 0o600 });
    return linked(draft, file);
  } finally {
    rmSync(draft, { force: true });
  }
}

/**
 * Runs a step that changes what a dead owner left at `file`, as the only one that does: of those who found the same words
 * there one makes the claim, a link whose name says which words and whose target says who. A claim that its maker died
 * over is taken away in the same manner. False where another one has it, or the step says so.
 */
function claimed(file: string, found: string, mine: string, step: () => boolean): boolean {
  const claim = `${file}.${createHash('sha256').update(found).digest('hex').slice(0, 8)}`;
  try {
    symlinkSync(mine, claim);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    const by = readClaim(claim);
    const maker = by === undefined ? undefined : parse(by);
    if (by === undefined || (maker !== undefined && alive(claim, maker))) return false;
    claimed(claim, by, mine, () => {
      if (readClaim(claim) === by) rmSync(claim, { force: true });
      return true;
    });
    return false;
  }
  try {
    return step();
  } finally {
    rmSync(claim, { force: true });
  }
}

function readClaim(claim: string): string | undefined {
  try {
    return readlinkSync(claim);
  } catch {
    return undefined;
  }
}

/**
 * Makes a dead owner's file ours, where it still is that one's: nobody else takes it away while the claim is held. It is
 * written over where it lies, which a full disk allows.
 */
function takenOver(file: string, stale: string, text: string): boolean {
  if (read(file) !== stale) return false;
  const aside = `${file}.${process.pid}.stale`;
  renameSync(file, aside);
  try {
    writeOver(aside, text);
    // Where one came that found nothing, it is that one's.
    return linked(aside, file);
  } finally {
    rmSync(aside, { force: true });
  }
}

function writeOver(path: string, text: string): void {
  const file = openSync(path, 'r+');
  try {
    ftruncateSync(file, writeSync(file, text));
  } finally {
    closeSync(file);
  }
}

function linked(from: string, to: string): boolean {
  try {
    linkSync(from, to);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

function read(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return undefined;
  }
}

function parse(text: string): Owner | undefined {
  try {
    const { pid, started, host } = JSON.parse(text) as Partial<Owner>;
    return pid === undefined || started === undefined || host === undefined ? undefined : { pid, started, host };
  } catch {
    return undefined;
  }
}

function alive(file: string, owner: Owner): boolean {
  if (owner.host !== hostname())
    return Date.now() - (lstatSync(file, { throwIfNoEntry: false })?.mtimeMs ?? 0) < silent_ms;
  try {
    process.kill(owner.pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
  const started = startOf(owner.pid);
  return started === undefined ? !existsProc() : owner.started === '' || started === owner.started;
}

/** Undefined for a process that is gone, is a zombie, or on a system without `/proc`. */
function startOf(pid: number): string | undefined {
  const stat = read(`/proc/${pid}/stat`);
  if (stat === undefined) return undefined;
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return fields[0] === 'Z' || fields[0] === 'X' ? undefined : fields[19];
}

function existsProc(): boolean {
  return read('/proc/self/stat') !== undefined;
}
