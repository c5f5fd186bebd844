import { open } from 'node:fs/promises';
import { parseLine, type SpooledRecord } from './line.ts';
import { RecordConflict } from './sink.ts';

const block_bytes = 1 << 18;

/** Reads lines from the end backwards until one satisfies; undefined where none does. */
export async function findLast(path: string, wanted: (line: string) => boolean): Promise<string | undefined> {
  const file = await open(path, 'r');
  try {
    const { size } = await file.stat();
    let tail: Buffer = Buffer.alloc(0);
    for (let from = size; from > 0; ) {
      const length = Math.min(block_bytes, from);
      from -= length;
      const block = Buffer.alloc(length);
      await file.read(block, 0, length, from);
      const bytes = Buffer.concat([block, tail]);
      // The first line may have begun in an earlier block.
      const cut = from === 0 ? 0 : bytes.indexOf(10) + 1;
      if (cut === 0 && from > 0) {
        tail = bytes;
        continue;
      }
      const hit = bytes.toString('utf8', cut).split('\n').findLast(wanted);
      if (hit !== undefined) return hit;
      tail = bytes.subarray(0, cut);
    }
    return undefined;
  } finally {
    await file.close();
  }
}

/**
 * Those of some records of one spool that are in none of these files: late ones, and daily ones, the newest first, which
 * are read no further back than the first record. Rejects with `RecordConflict` where another has the number of one of them.
 */
export async function absentFrom(
  late: readonly string[],
  daily: readonly string[],
  records: readonly SpooledRecord[],
): Promise<readonly SpooledRecord[]> {
  const wanted = new Map(records.map((record) => [record.seq, record]));
  const first = Math.min(...wanted.keys());
  const opening = `{"v":1,"spool":"${records[0]?.spool}",`;
  const met = (text: string): number => {
    const line = text.startsWith(opening) ? parseLine(text) : undefined;
    if (line === undefined) return Number.POSITIVE_INFINITY;
    const { spool, seq, hash } = line;
    if ((wanted.get(seq)?.hash ?? hash) !== hash) throw new RecordConflict(spool, seq);
    wanted.delete(seq);
    return seq;
  };
  for (const path of late) await findLast(path, (text) => met(text) > 0 && wanted.size === 0);
  for (const path of daily) {
    if (wanted.size === 0 || (await findLast(path, (text) => met(text) <= first)) !== undefined) break;
  }
  return [...wanted.values()];
}
