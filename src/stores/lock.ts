import { linkSync, readFileSync, renameSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';

interface Owner {
  readonly pid: number;
  /** When the process started, in the kernel's ticks: a pid alone is given out again. */
  readonly started: string;
  readonly host: string;
}

const beat_ms = 5_000;
const silent_ms = 20_000;

/**
 * Makes this process the owner of what `file` stands for. Throws where another one is alive; takes over from a dead
 * one. An owner on another host cannot be asked, so it counts as alive while it touches the file.
 */
export function lock(file: string): { release(): void } {
  const mine: Owner = { pid: process.pid, started: startOf(process.pid) ?? '', host: hostname() };
  const text = JSON.stringify(mine);
  for (let tries = 0; !created(file, text); tries++) {
    const held = read(file);
    if (held === undefined) continue;
    const owner = parse(held);
    if (tries > 10 || (owner !== undefined && alive(file, owner))) {
      const who = owner === undefined ? 'another process' : `process ${owner.pid} on ${owner.host}`;
      throw new Error(`${file}: ${who} holds this; only one process may open it at a time`);
    }
    takeOver(file, held);
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
  writeFileSync(draft, text, { mode: 0o600 });
  try {
    linkSync(draft, file);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  } finally {
    rmSync(draft, { force: true });
  }
}

/** Two may find the same dead owner: the one whose rename took away a living lock puts it back. */
function takeOver(file: string, stale: string): void {
  const aside = `${file}.${process.pid}.stale`;
  try {
    renameSync(file, aside);
  } catch {
    return;
  }
  if (read(aside) !== stale) {
    try {
      linkSync(aside, file);
    } catch {
      // A third one was faster and holds it now.
    }
  }
  rmSync(aside, { force: true });
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
