import { describe, expect, it } from 'vitest';
import { BatchJob, readJob } from '../../src/observe/trail/batch.ts';
import { Fresh } from '../../src/observe/trail/fresh.ts';
import { genesis, parseLine, type SpooledRecord, writeLine } from '../../src/observe/trail/line.ts';

function records(count: number, filler = ''): SpooledRecord[] {
  let prev = genesis;
  return Array.from({ length: count }, (_, index) => {
    const place = { spool: 'main.0123456789abcdef', seq: index + 1, at_ms: 1_790_000_000_000 + index, prev };
    const { line, hash } = writeLine(place, `{"exchange":"é${index}${filler}"}`, undefined);
    const record = { ...place, hash, line };
    prev = hash;
    return record;
  });
}

function filled(all: readonly SpooledRecord[]): Fresh {
  const fresh = new Fresh();
  for (const record of all) fresh.pend(record);
  fresh.written(3, 100);
  return fresh;
}

describe('the newest records of a spool', () => {
  it('are handed out as they were written, with the place behind the last of them', () => {
    const all = records(5);
    const bytes = all.slice(0, 4).reduce((sum, { line }) => sum + Buffer.byteLength(line) + 1, 0);
    const batch = filled(all).after(1, 3);
    expect(batch).toMatchObject({ segment: 3, offset: 100 + bytes, from: 2, to: 4, hash: all[3]?.hash });
    expect(batch?.records).toEqual(all.slice(1, 4));
  });

  it('are not there before they are written, nor for whom one before them is missing', () => {
    const all = records(3);
    const fresh = new Fresh();
    for (const record of all.slice(1)) fresh.pend(record);
    expect(fresh.after(1, 10)).toBeUndefined();
    fresh.written(1, 0);
    expect(fresh.after(0, 10)).toBeUndefined();
    expect(fresh.after(1, 10)?.records).toEqual(all.slice(1));
    expect(fresh.after(3, 10)).toBeUndefined();
  });

  it('are forgotten once every sink has them, and all of them where they would take too much memory', () => {
    const all = records(4);
    const fresh = filled(all);
    fresh.forget(2);
    expect(fresh.after(1, 10)).toBeUndefined();
    expect(fresh.after(2, 10)?.records).toEqual(all.slice(2));
    const large = filled(records(9, 'x'.repeat(500_000)));
    expect(large.after(0, 10)).toBeUndefined();
  });

  it('come in batches of two megabytes at the most', () => {
    const all = records(6, 'x'.repeat(600_000));
    expect(filled(all).after(0, 10)?.records).toEqual(all.slice(0, 3));
  });

  it('are the same to a sink whether the job is handed over or spelled and read', () => {
    const all = records(3);
    for (const late of [false, true]) {
      const job = new BatchJob('one', 'file', all, late);
      const read = readJob({ id: job.id, payload: job.payload });
      expect(readJob(job)).toMatchObject({ sink: 'file', late, records: all });
      expect(read.sink).toBe('file');
      expect(read.late).toBe(late);
      expect(read.records).toEqual(all.map(({ line }) => parseLine(line)));
    }
  });
});
