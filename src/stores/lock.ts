import {
  closeSync,
  ftruncateSync,
  linkSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
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

const beat_ms = 5_000;
const silent_ms = 20_000;
const tries_max = 10;

/**
 * Makes this process the owner of what `file` stands for. Throws where another one is alive; takes over from a dead
 * one. An owner on another host cannot be asked, so it counts as alive while it touches the file.
 */
export function lock(file: string): { release(): void } {
  const mine: Owner = { pid: process.pid, started: startOf(process.pid) ?? '', host: hostname() };
  const text = JSON.stringify(mine);
  for (let tries = 0; ; tries++) {
    const held = read(file);
    const owner = held === undefined ? undefined : parse(held);
    if (tries > tries_max || (owner !== undefined && alive(file, owner))) {
      const who = owner === undefined ? 'another process' : `process ${owner.pid} on ${owner.host}`;
      throw new Error(`${file}: ${who} holds this; only one process may open it at a time`);
    }
    if (held === undefined ? created(file, text) : takenOver(file, held, text)) break;
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
 * Makes a dead owner's file ours. Two may find the same one: whose rename took away a living lock puts it back. The file
 * is written over where it lies, which a full disk allows.
 */
function takenOver(file: string, stale: string, text: string): boolean {
  const aside = `${file}.${process.pid}.stale`;
  try {
    renameSync(file, aside);
  } catch {
    return false;
  }
  try {
    const dead = read(aside) === stale;
    if (dead) writeOver(aside, text);
    // Where a third one was faster it holds it now.
    return linked(aside, file) && dead;
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
    return JSON.parse(text) as Owner;
  } catch {
    return undefined;
  }
}

function alive(file: string, owner: Owner): boolean {
  if (owner.host !== hostname()) return Date.now() - statSync(file).mtimeMs < silent_ms;
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
