import { open } from 'node:fs/promises';
import { join } from 'node:path';
import type { AuditRecord } from '../record.ts';
import { listTrail } from './file-sink.ts';
import { parseLine, readableRecord } from './line.ts';
import { fits, type QueryFilter } from './query.ts';

/** A record without what is personal of it; `sealed` where there was something. */
export type LateRecord = AuditRecord & { readonly sealed?: boolean };

/** Lines taken apart before others get a turn. */
const turn_lines = 200;

/**
 * The newest records of a trail's directory that fit, newest first, from its last `bytes_max` bytes alone: what it costs
 * does not grow with the trail. Personal parts stay sealed, which `sealed` tells, and `user` is not asked for. None where there is no directory.
 */
export async function lateRecords(
  directory: string,
  filter: Omit<QueryFilter, 'user'>,
  bytes_max = 4 * 1024 * 1024,
): Promise<readonly LateRecord[]> {
  const { limit = 1000 } = filter;
  const found: LateRecord[] = [];
  const files = await listTrail(directory).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return [];
    throw error;
  });
  let left = bytes_max;
  for (const name of files.reverse()) {
    if (left <= 0 || found.length >= limit) break;
    const bytes = await endOf(join(directory, name), left);
    left -= bytes.length;
    const lines = bytes.toString('utf8').split('\n').reverse();
    for (const [at, text] of lines.entries()) {
      if (found.length >= limit) break;
      if (at % turn_lines === turn_lines - 1) await new Promise((resolve) => setImmediate(resolve));
      // The first one may have been cut: then it is no line.
      const line = parseLine(text);
      const record = line === undefined ? undefined : readableRecord(line);
      if (line === undefined || record === undefined) continue;
      if (fits(record, filter)) found.push({ ...record, sealed: line.commit !== '' });
    }
  }
  return found;
}

/** The last bytes of a file. */
async function endOf(path: string, bytes_max: number): Promise<Buffer> {
  const file = await open(path, 'r');
  try {
    const { size } = await file.stat();
    const length = Math.min(size, bytes_max);
    const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, size - length);
    return buffer.subarray(0, bytesRead);
  } finally {
    await file.close();
  }
}
