import { readFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { type Job, JobRefused } from '../../stores/index.ts';
import { asideLine } from './aside.ts';
import { type Batch, isRecord } from './batch.ts';
import { lineHolds, type ParsedLine, parsedLine, parseLine, type SpooledRecord, sha256 } from './line.ts';
import { segmentFile } from './segment.ts';
import type { Sink } from './sink.ts';

/** From where to where a job goes. */
export interface Address {
  readonly spool: string;
  readonly sink: string;
  /** Digest of the sink's place: at another one it is another sink, which has nothing of what this one was given. */
  readonly place: string;
}

export function placeDigest({ place = '' }: Sink): string {
  return sha256(place).slice(0, 12);
}

/** An address as a job's id begins. */
export function addressText({ spool, sink, place }: Address): string {
  return `${spool}.${sink}.${place}`;
}

/**
 * What a job says of records that follow each other, instead of holding them: where they lie in the spool's segments, and
 * the chain's hash at their end. They stay in the spool, which keeps them until their sink's word in any case: a copy in
 * the queue would be lost with the queue and make nothing safer, and it would be one more place where what people asked
 * lies.
 */
interface BatchClaim extends Address {
  readonly from: number;
  readonly to: number;
  readonly count: number;
  readonly hash: string;
  /** Segment and byte. */
  readonly start: readonly [number, number];
  readonly end: readonly [number, number];
}

/** Of one that is set aside. */
interface LateClaim extends Address {
  readonly late: number;
  /** SHA-256 of its line, hex. */
  readonly digest: string;
}

export function batchClaim({ sink, place, spool }: Address, batch: Batch): string {
  const { from, to, count, hash, segment, offset } = batch;
  const start = [batch.start.segment, batch.start.offset] as const;
  const end = [segment, offset] as const;
  return JSON.stringify({ sink, place, spool, from, to, count, hash, start, end } satisfies BatchClaim);
}

export function lateClaim({ sink, place, spool }: Address, late: number, line: string): string {
  return JSON.stringify({ sink, place, spool, late, digest: sha256(line) } satisfies LateClaim);
}

/** Records that a job of another process is about. */
export interface Claimed {
  readonly sink: string;
  /** Digest of the place the sink had. */
  readonly place: string;
  /** The records after them are there already. */
  readonly late: boolean;
  /**
   * Rejects with `JobRefused` where they cannot be read here whole and unchanged: their spool is another machine's, or
   * every sink had them long ago and their segment is gone.
   */
  records(): Promise<readonly SpooledRecord[]>;
}

/**
 * Reads what a job says of its records; `path` is the trail's directory, where their spool should be. Throws `JobRefused`
 * for one that holds lines instead, as an older version's did: anybody might have put them there, and what is true of them
 * lies in a spool.
 */
export function readClaim({ payload }: Job, path: string): Claimed {
  if (!payload.startsWith('{')) throw new JobRefused('no_claim', 'A job holds something else than a claim');
  const claim = JSON.parse(payload) as BatchClaim | LateClaim;
  const { sink, place } = claim;
  if ('late' in claim) return { sink, place, late: true, records: async () => [recordAside(claim, path)] };
  return { sink, place, late: false, records: () => recordsBetween(claim, path) };
}

const spoolId = /^([\w-]{1,60})\.[0-9a-f]{12}$/;

/** The directory of the spool with this very id: whatever another machine's is called, its id is another. */
function directoryOf(spool: string, path: string): string {
  const dir = join(path, 'spools', spoolId.exec(spool)?.[1] ?? '');
  let id: unknown;
  try {
    ({ id } = JSON.parse(readFileSync(join(dir, 'spool.json'), 'utf8')) as { id?: unknown });
  } catch (cause) {
    throw new JobRefused('spool_unreadable', `Spool ${spool} cannot be read in ${dir}`, { cause });
  }
  if (id !== spool) throw new JobRefused('spool_elsewhere', `Spool ${spool} is not here: in ${dir} lies another one`);
  return dir;
}

function recordAside({ spool, sink, late, digest }: LateClaim, path: string): SpooledRecord {
  const line = asideLine(directoryOf(spool, path), sink, (one) => sha256(one) === digest);
  if (line === undefined) throw new JobRefused('record_gone', `Record ${late} of spool ${spool} is set aside no more`);
  return parsedLine(line);
}

async function recordsBetween(claim: BatchClaim, path: string): Promise<readonly SpooledRecord[]> {
  const { spool, from, to, count, hash } = claim;
  const records: ParsedLine[] = [];
  for (const line of await linesBetween(directoryOf(spool, path), claim)) {
    if (!isRecord(line)) continue;
    const record = parseLine(line);
    if (record === undefined || record.spool !== spool || !lineHolds(record) || !goesOn(record, records.at(-1))) {
      throw new JobRefused(
        'record_changed',
        `A record between ${from} and ${to} of spool ${spool} is not what was written`,
      );
    }
    records.push(record);
  }
  const last = records.at(-1);
  if (records.length !== count || records[0]?.seq !== from || last?.seq !== to || last.hash !== hash) {
    throw new JobRefused(
      'records_elsewhere',
      `Records ${from} to ${to} of spool ${spool} do not lie where the job says`,
    );
  }
  return records;
}

/** Where numbers are left out (a power cut took records) the next one cannot show that it follows. */
function goesOn({ seq, prev }: ParsedLine, before: ParsedLine | undefined): boolean {
  return before === undefined || prev === before.hash || seq > before.seq + 1;
}

async function linesBetween(dir: string, { start, end }: BatchClaim): Promise<readonly string[]> {
  const [first, begins] = start;
  const [last, ends] = end;
  const lines: string[] = [];
  for (let segment = first; segment <= last; segment++) {
    const bytes = await readBetween(
      segmentFile(dir, segment),
      segment === first ? begins : 0,
      segment === last ? ends : undefined,
    );
    lines.push(...bytes.toString('utf8').split('\n'));
  }
  return lines;
}

/** Bytes of a file from one place to another, or to its end. */
async function readBetween(path: string, start: number, end: number | undefined): Promise<Buffer> {
  try {
    const file = await open(path, 'r');
    try {
      const size = Math.max(0, (end ?? (await file.stat()).size) - start);
      const { buffer, bytesRead } = await file.read(Buffer.allocUnsafe(size), 0, size, start);
      return buffer.subarray(0, bytesRead);
    } finally {
      await file.close();
    }
  } catch (cause) {
    throw new JobRefused('segment_gone', `${path} cannot be read: it goes when every sink has its records`, { cause });
  }
}
