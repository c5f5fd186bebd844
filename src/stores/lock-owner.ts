import { lstatSync, readFileSync } from 'node:fs';
import { hostname } from 'node:os';

/** Whose a lock is, as its words tell. */
export interface Owner {
  readonly pid: number;
  /** When the process started, in the kernel's ticks: a pid alone is given out again. */
  readonly started: string;
  readonly host: string;
}

/** A lock that nobody touched for so long has no owner, as far as touching it tells. */
const silent_ms = 20_000;
/** Between the clocks of a file system and of the kernel. */
const slack_ms = 2_000;
const ticks_per_second = 100;

let words: string | undefined;

/** Who this process is. */
export function ownWords(): string {
  const mine = (): Owner => ({ pid: process.pid, started: startOf(process.pid) ?? '', host: hostname() });
  words ??= JSON.stringify(mine());
  return words;
}

/** Undefined for words that are not of this form. */
export function ownerOf(text: string): Owner | undefined {
  try {
    const { pid, started, host } = JSON.parse(text) as Partial<Owner>;
    return Number.isInteger(pid) && Number(pid) > 0 && typeof started === 'string' && typeof host === 'string'
      ? { pid: Number(pid), started, host }
      : undefined;
  } catch {
    return undefined;
  }
}

/**
 * Whether the owner of the lock at this path may still be at work. Words that cannot be read are a living owner's while
 * they are fresh, and while the process they name is one that was there when they were written.
 */
export function lives(path: string, text: string): boolean {
  const owner = ownerOf(text);
  if (owner !== undefined) return owner.host === hostname() ? livesHere(owner) : age_ms(path) < silent_ms;
  // Ours appear whole: half of one is what a power cut left.
  if (isTorn(text)) return false;
  const age = age_ms(path);
  if (age < silent_ms) return true;
  const pid = pidIn(text);
  return pid !== undefined && wasThere(pid, age);
}

function livesHere({ pid, started }: Owner): boolean {
  const presence = presenceOf(pid);
  if (presence === 'gone') return false;
  const now = startOf(pid);
  if (now === undefined) return presence === 'hidden' || !existsProc();
  return started === '' || now === started;
}

function age_ms(path: string): number {
  return Date.now() - (lstatSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0);
}

function isTorn(text: string): boolean {
  if (!text.startsWith('{"pid":')) return false;
  try {
    JSON.parse(text);
    return false;
  } catch {
    return true;
  }
}

/** The process that words of another version name: a number before a space, or beside `pid`. */
function pidIn(text: string): number | undefined {
  const found = /^([1-9]\d{0,9}) /.exec(text) ?? /"pid":\s*([1-9]\d{0,9})\b/.exec(text);
  return found === null ? undefined : Number(found[1]);
}

/** `hidden`: another user's, of which not everything may be told. */
function presenceOf(pid: number): 'there' | 'hidden' | 'gone' {
  try {
    process.kill(pid, 0);
    return 'there';
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM' ? 'hidden' : 'gone';
  }
}

/** Whether a process is there and was so long ago; where nobody can tell the latter, it was. */
function wasThere(pid: number, ago_ms: number): boolean {
  const presence = presenceOf(pid);
  if (presence === 'gone') return false;
  const started = startOf(pid);
  if (started === undefined) return presence === 'hidden' || !existsProc();
  const uptime_s = Number.parseFloat(textOf('/proc/uptime') ?? 'Infinity');
  return (uptime_s - Number(started) / ticks_per_second) * 1000 >= ago_ms - slack_ms;
}

/** Undefined for a process that is gone, is a zombie, or on a system without `/proc`. */
function startOf(pid: number): string | undefined {
  const stat = textOf(`/proc/${pid}/stat`);
  if (stat === undefined) return undefined;
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return fields[0] === 'Z' || fields[0] === 'X' ? undefined : fields[19];
}

function existsProc(): boolean {
  return textOf('/proc/self/stat') !== undefined;
}

function textOf(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return undefined;
  }
}
