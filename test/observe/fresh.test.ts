import { describe, expect, it } from 'vitest';
import { batchJob } from '../../src/observe/trail/batch-job.ts';
import { Chain } from '../../src/observe/trail/chain.ts';
import { Fresh } from '../../src/observe/trail/fresh.ts';
import { genesis, lineHolds, parseLine } from '../../src/observe/trail/line.ts';

const spool = 'main.0123456789abcdef';

/** A chain, and the memory its lines lie in. */
function opened() {
  const fresh = new Fresh(spool);
  const chain = new Chain(spool, { seq: 0, hash: genesis, at_ms: 1_790_000_000_000 }, () => 0);
  const lines: string[] = [];
  /** Links records, without writing them. */
  const pend = (count: number, filler = ''): void => {
    for (let index = 0; index < count; index += 1) {
      const from = fresh.pending;
      chain.begin().text(`{"exchange":"é${chain.count}${filler}"}`);
      chain.link(undefined, fresh);
      const { block, start, end } = fresh.unwritten;
      lines.push(block.toString('utf8', start + from, end - 1));
    }
  };
  let size = 0;
  /** Writes them behind `before` bytes of something else. */
  const write = (before = 0, segment = 3): void => {
    size += before + fresh.pending;
    fresh.written(segment, size);
  };
  return { fresh, chain, lines, pend, write, size: () => size };
}

describe('the newest records of a spool', () => {
  it('are handed out as they were written, with the place behind the last of them', () => {
    const { fresh, chain, lines, pend, write, size } = opened();
    pend(2);
    write(100);
    pend(3);
    write(50);
    const batch = fresh.after(0);
    expect(batch).toMatchObject({ segment: 3, offset: size(), from: 1, to: 5, count: 5, hash: chain.tail.hash });
    expect(batch?.lines()).toEqual(lines);
    let prev = genesis;
    for (const text of batch?.lines() ?? []) {
      const line = parseLine(text);
      expect(line).toMatchObject({ spool, prev });
      expect(line !== undefined && lineHolds(line)).toBe(true);
      prev = line?.hash ?? '';
    }
    expect(prev).toBe(chain.tail.hash);
  });

  it('are not there before they are written, nor for whom one before them is missing', () => {
    const { fresh, pend, write } = opened();
    pend(3);
    expect(fresh.after(0)).toBeUndefined();
    expect(fresh.bytesAfter(0)).toBeUndefined();
    write();
    expect(fresh.after(1)).toBeUndefined();
    expect(fresh.after(3)).toBeUndefined();
    expect(fresh.after(0)?.to).toBe(3);
  });

  it('that come while a sink is at those before them are its next batch', () => {
    const { fresh, lines, pend, write } = opened();
    pend(2);
    write();
    const first = fresh.after(0);
    pend(2);
    write();
    expect(first?.lines()).toEqual(lines.slice(0, 2));
    // Another sink has taken nothing yet: its batch holds all of them.
    expect(fresh.after(0)?.lines()).toEqual(lines);
    const second = fresh.after(2);
    expect(second?.lines()).toEqual(lines.slice(2));
    expect(fresh.bytesAfter(2)).toBe(second?.run?.bytes.reduce((sum, { length }) => sum + length, 0));
  });

  it('are forgotten once every sink has them, and their memory is used again only then', () => {
    const { fresh, lines, pend, write } = opened();
    for (let round = 0; round < 50; round += 1) {
      const before = lines.length;
      pend(20, 'x'.repeat(3000));
      write();
      const batch = fresh.after(before);
      pend(5, 'y'.repeat(3000));
      // Not forgotten yet: what came since lies somewhere else.
      expect(batch?.lines()).toEqual(lines.slice(before, before + 20));
      write();
      fresh.forget(before + 20);
      expect(fresh.after(before)).toBeUndefined();
      expect(fresh.after(before + 20)?.lines()).toEqual(lines.slice(before + 20));
      fresh.forget(lines.length);
    }
  });

  it('are given up where they would take too much memory; a sink that is at them still has them whole', () => {
    const { fresh, lines, pend, write } = opened();
    pend(1, 'x'.repeat(500_000));
    write();
    const batch = fresh.after(0);
    for (let round = 0; round < 8; round += 1) {
      pend(1, 'y'.repeat(500_000));
      write();
    }
    expect(fresh.after(0)).toBeUndefined();
    pend(40, 'z'.repeat(10_000));
    write();
    expect(batch?.lines()).toEqual(lines.slice(0, 1));
    expect(fresh.after(9)?.lines()).toEqual(lines.slice(9));
  });

  it('come in batches of two megabytes at the most, though they were written at once', () => {
    const { fresh, lines, pend, write } = opened();
    pend(6, 'x'.repeat(600_000));
    write();
    const first = fresh.after(0);
    expect(first?.count).toBeLessThan(4);
    expect(first?.lines()).toEqual(lines.slice(0, first?.to));
    expect(fresh.after(first?.to ?? 0)?.from).toBe((first?.to ?? 0) + 1);
  });

  it('are told of by a job in few bytes, and handed over by it as they lie', () => {
    const { fresh, lines, pend, write } = opened();
    pend(3);
    write();
    const batch = fresh.after(0);
    if (batch === undefined) throw new Error('there is no batch');
    const job = batchJob({ spool: 'one', sink: 'file', place: 'somewhere' }, batch);
    expect(job.records()).toEqual(lines.map(parseLine));
    expect(job.run).toBe(batch.run);
    expect(JSON.parse(job.payload)).toEqual({
      sink: 'file',
      place: 'somewhere',
      spool: 'one',
      from: 1,
      to: 3,
      count: 3,
      hash: parseLine(lines[2] ?? '')?.hash,
      start: [batch.start.segment, batch.start.offset],
      end: [batch.segment, batch.offset],
    });
  });
});
