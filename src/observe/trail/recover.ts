import { randomBytes } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, renameSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import { writePrivateFile } from '../../stores/index.ts';
import type { Intent } from '../record.ts';
import { parseHead } from './head.ts';
import { IntentReader, isIntent, type OpenIntent } from './intent-line.ts';
import { genesis, lineHolds, type ParsedLine, parseLine } from './line.ts';
import { listSegments, segmentFile } from './segment.ts';

/** Where a chain stands: after `seq`, whose hash is `hash`, appended at `at_ms`. */
export interface Tail {
  readonly seq: number;
  readonly hash: string;
  readonly at_ms: number;
}

export interface Recovered {
  /** The last segment that can be read; 0 where there is none. */
  readonly segment: number;
  readonly tail: Tail;
  readonly open: ReadonlyMap<string, OpenIntent>;
  /** Bytes cut off the end: a torn last line, or what a power cut left. */
  readonly cut_bytes: number;
  /** Records that a signed head or a sink's position vouches for and that are not there. */
  readonly missing: number;
}

/** First line of a segment: where the chain stood. Intents still open follow it. */
export function segmentOpening(spool: string, number: number, tail: Tail): string {
  return `${JSON.stringify({ segment: number, spool, seq: tail.seq, hash: tail.hash, at_ms: tail.at_ms })}\n`;
}

function readOpening(line: string, spool: string, number: number): Tail | undefined {
  try {
    const value = JSON.parse(line) as Partial<Tail> & { spool?: string; segment?: number };
    if (value.spool !== spool || value.segment !== number) return undefined;
    if (typeof value.seq !== 'number' || typeof value.hash !== 'string' || typeof value.at_ms !== 'number')
      return undefined;
    return { seq: value.seq, hash: value.hash, at_ms: value.at_ms };
  } catch {
    return undefined;
  }
}

interface Scanned {
  readonly tail: Tail;
  readonly open: Map<string, OpenIntent>;
  /** Bytes of whole, sound lines. */
  readonly sound: number;
}

/**
 * Reads a segment up to its last line that holds. One before it that does not is passed by and stays: a broken disk costs
 * that line and none behind it. Undefined where neither the opening nor any record holds.
 */
function scan(bytes: Buffer, spool: string, number: number): Scanned | undefined {
  const open = new Map<string, OpenIntent>();
  const intents = new IntentReader();
  let at = bytes.indexOf(10) + 1;
  let tail = readOpening(bytes.toString('utf8', 0, at), spool, number);
  let sound = tail === undefined ? 0 : at;
  for (let end = bytes.indexOf(10, at); end >= 0; end = bytes.indexOf(10, at)) {
    const text = bytes.toString('utf8', at, end);
    at = end + 1;
    const intent = isIntent(text) ? intents.read(text) : undefined;
    const line = intent === undefined ? lineAfter(tail ?? unknown, text, spool) : undefined;
    if (intent !== undefined) open.set(intent.intent.exchange, intent);
    else if (line !== undefined) {
      tail = { seq: line.seq, hash: line.hash, at_ms: line.at_ms };
      open.delete((JSON.parse(line.recordJson) as Intent).exchange);
    } else {
      intents.passBy(text);
      continue;
    }
    sound = at;
  }
  return tail === undefined ? undefined : { tail, open, sound };
}

/** An opening that cannot be read says nothing of where the chain stood. */
const unknown: Tail = { seq: 0, hash: genesis, at_ms: 0 };

/** The record of a line that holds and follows; where numbers are missing between them, what stood there did not hold. */
function lineAfter(tail: Tail, text: string, spool: string): ParsedLine | undefined {
  const line = parseLine(text);
  if (line === undefined || line.spool !== spool || line.seq <= tail.seq) return undefined;
  if (line.seq === tail.seq + 1 && line.prev !== tail.hash) return undefined;
  return lineHolds(line) ? line : undefined;
}

/** Positions that were signed: the spool's own last head, and how far each sink has come. */
function vouchedTail(dir: string, spool: string): Tail {
  let best: Tail = { seq: 0, hash: genesis, at_ms: 0 };
  for (const name of readdirSync(dir)) {
    if (name !== 'head.json' && !/^cursor-.*\.json$/.test(name)) continue;
    const head = parseHead(readFileSync(join(dir, name), 'utf8'));
    if (head !== undefined && head.spool === spool && head.seq > best.seq) best = head;
  }
  return best;
}

/** What lies there from an earlier time stays. */
function freeName(path: string): string {
  let name = path;
  for (let count = 2; existsSync(name); count += 1) name = `${path}-${count}`;
  return name;
}

/**
 * Reads a spool after its process went away. A torn last line is cut. What does not hold at the end is moved aside
 * (`.torn`), never thrown away; where signed positions say that records are missing, the chain goes on after them, so
 * that the gap shows instead of being closed.
 */
export function recover(dir: string, spool: string): Recovered {
  let cut_bytes = 0;
  let found: Scanned | undefined;
  let segment = 0;
  for (const number of listSegments(dir).reverse()) {
    const path = segmentFile(dir, number);
    const bytes = readFileSync(path);
    found = scan(bytes, spool, number);
    if (found === undefined) {
      renameSync(path, freeName(`${path}.torn`));
      cut_bytes += bytes.length;
      continue;
    }
    segment = number;
    if (found.sound < bytes.length) {
      const rest = bytes.subarray(found.sound);
      if (rest.indexOf(10) >= 0) writePrivateFile(freeName(`${path}.torn`), rest);
      truncateSync(path, found.sound);
      cut_bytes += rest.length;
    }
    break;
  }
  const here = found?.tail ?? { seq: 0, hash: genesis, at_ms: 0 };
  const vouched = vouchedTail(dir, spool);
  const behind = vouched.seq > here.seq;
  return {
    segment,
    tail: behind ? vouched : here,
    open: found?.open ?? new Map(),
    cut_bytes,
    missing: behind ? vouched.seq - here.seq : 0,
  };
}

/**
 * The spool's own id, made when its directory is: its name and something random. Where the file that tells it is torn or
 * gone, its segments still do.
 */
export function spoolIdentity(dir: string, name: string): string {
  const file = join(dir, 'spool.json');
  const told = idIn(file, 'id');
  if (told !== undefined) return told;
  const [first] = listSegments(dir);
  const known = first === undefined ? undefined : idIn(segmentFile(dir, first), 'spool');
  const id = known ?? `${name}.${randomBytes(6).toString('hex')}`;
  writePrivateFile(file, `${JSON.stringify({ id })}\n`);
  return id;
}

/** What the first line of a file says under this name; undefined where there is no such line. */
function idIn(file: string, name: string): string | undefined {
  try {
    const [line = ''] = readFileSync(file, 'utf8').split('\n', 1);
    const id = (JSON.parse(line) as Record<string, unknown> | null)?.[name];
    return typeof id === 'string' ? id : undefined;
  } catch (error) {
    if (error instanceof SyntaxError || (error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
