import { createHash } from 'node:crypto';
import { lstatSync, readFileSync, readlinkSync } from 'node:fs';
import { hostname } from 'node:os';

/** Whose a lock is, as its words tell. */
export interface Owner {
  readonly pid: number;
  /** When the process started, in the kernel's ticks: a pid alone is given out again. */
  readonly started: string;
  readonly host: string;
  /** Where its pid means a process, a dash, and which container that is, where it is one. Undefined where nobody can tell. */
  readonly place: string | undefined;
}

/** A lock that nobody touched for so long has no owner, as far as touching it tells. */
const silent_ms = 20_000;
/** Between the clocks of a file system and of the kernel. */
const slack_ms = 2_000;
const ticks_per_second = 100;

let words: string | undefined;

/** Who this process is. */
export function ownWords(): string {
  const mine = (): Owner => {
    return { pid: process.pid, started: startOf(process.pid) ?? '', host: hostname(), place: ownPlace() };
  };
  words ??= JSON.stringify(mine());
  return words;
}

let place: { readonly own: string | undefined } | undefined;

/**
 * A pid says nothing elsewhere: two containers can have one host name and one volume, and so can two machines. Short, as it
 * becomes the target of a link: a full disk has room for no long one.
 */
function ownPlace(): string | undefined {
  place ??= { own: placeNow() };
  return place.own;
}

function placeNow(): string | undefined {
  const kernel = textOf('/proc/sys/kernel/random/boot_id');
  const processes = linkOf('/proc/self/ns/pid');
  if (kernel === undefined || processes === undefined) return undefined;
  return `${shortOf(kernel + processes)}-${shortOf(container() ?? '')}`;
}

/**
 * Whatever runs containers gives each a file for its host's name, at a path that says its id and stays over its restarts. One that
 * people put there in its place may be another container's as well.
 */
function container(): string | undefined {
  const mounts = textOf('/proc/self/mountinfo')?.split('\n') ?? [];
  const fields = mounts.map((line) => line.split(' ')).findLast(([, , , , at]) => at === '/etc/hostname');
  return /[0-9a-f]{64}/.exec(fields?.[3] ?? '')?.[0];
}

function shortOf(text: string): string {
  return text === '' ? '' : createHash('sha256').update(text).digest('hex').slice(0, 8);
}

/** Undefined for words that are not of this form. */
export function ownerOf(text: string): Owner | undefined {
  try {
    const { pid, started, host, place } = JSON.parse(text) as Partial<Owner>;
    return Number.isInteger(pid) && Number(pid) > 0 && typeof started === 'string' && typeof host === 'string'
      ? { pid: Number(pid), started, host, place: typeof place === 'string' ? place : undefined }
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
  if (owner !== undefined) {
    const where = whereIs(owner);
    return where === 'here' ? livesHere(owner) : where === 'elsewhere' && age_ms(path) < silent_ms;
  }
  // Ours appear whole: half of one is what a power cut left.
  if (isTorn(text)) return false;
  const age = age_ms(path);
  if (age < silent_ms) return true;
  const pid = pidIn(text);
  return pid !== undefined && wasThere(pid, age);
}

/** `before`: in an earlier run of this container, which nothing of it outlived. */
function whereIs({ host, place }: Owner): 'here' | 'elsewhere' | 'before' {
  const own = ownPlace();
  if (host !== hostname()) return 'elsewhere';
  if (place === undefined || own === undefined || place === own) return 'here';
  const [, theirs = ''] = place.split('-');
  return theirs !== '' && own.endsWith(`-${theirs}`) ? 'before' : 'elsewhere';
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

function linkOf(file: string): string | undefined {
  try {
    return readlinkSync(file);
  } catch {
    return undefined;
  }
}

function textOf(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return undefined;
  }
}
