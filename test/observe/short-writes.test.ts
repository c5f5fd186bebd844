import { readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { text as textOf } from 'node:stream/consumers';
import { describe, expect, onTestFinished, test } from 'vitest';
import { fileSink, trailFile } from '../../src/observe/trail/file-sink.ts';
import { mountSmallDisk, noMount, type SmallDisk } from '../support/small-disk.ts';
import { runProgram } from './program.ts';
import { temporary } from './records.ts';

const at_ms = Date.UTC(2026, 10, 21);
const page_bytes = 4096;

function small(): { readonly path: string; readonly disk: SmallDisk } {
  const path = join(temporary(), 'disk');
  const disk = mountSmallDisk(path, 1);
  onTestFinished(() => disk.unmount());
  return { path, disk };
}

/** Lines that are told apart, of these lengths. */
const linesOf = (lengths: readonly number[]): Buffer =>
  Buffer.from(lengths.map((length, at) => `${`${at} `.padEnd(length - 1, `${at}-`)}\n`).join(''));

describe.skipIf(noMount !== undefined)('a file sink whose disk takes a part of what it writes', () => {
  test('goes on behind that part, wherever it ended, until all is there once', async () => {
    const { path, disk } = small();
    disk.fill();
    // Some longer than a short write, some so short that one write ends many of them and cuts another.
    const [long, short, middle] = [30 * page_bytes + 5, Array<number>(400).fill(151), Array<number>(60).fill(1_301)];
    const lengths = [long, ...short, 7 * page_bytes, ...middle];
    const whole = linesOf(lengths);
    const home = temporary();
    writeFileSync(join(home, 'text'), whole);

    const program = join(import.meta.dirname, 'programs', 'short-writes.ts');
    const args = [path, join(home, 'text'), JSON.stringify(lengths)];
    const child = await runProgram(program, join(home, 'out'), args, { UV_THREADPOOL_SIZE: '1', UV_USE_IO_URING: '0' });
    const sizes: number[] = JSON.parse(await textOf(child.stdout!));

    // That the writes were short: it was seen with so many sizes on its way, in parts that are long and short.
    const between = sizes.filter((size) => size > 0 && size < whole.length);
    expect(between.filter((size) => size < long).length).toBeGreaterThan(3);
    expect(between.filter((size) => size > long).length).toBeGreaterThan(20);
    const written = readFileSync(join(path, 'audit', trailFile(at_ms)));
    expect(written.length).toBe(whole.length);
    expect(written.equals(whole)).toBe(true);
  });

  test('leaves nothing of a batch that does not fit, and has it once when there is room', async () => {
    const { path, disk } = small();
    const sink = fileSink(join(path, 'audit'));
    const append = (from: number, to: number, bytes: Buffer[]) =>
      sink.append!({ spool: 'one', from, to, hash: `${to}`, first_ms: at_ms, last_ms: at_ms, bytes });
    const name = join(path, 'audit', trailFile(at_ms));
    const [first, ...batch] = [300, 1_000, 900, 1_100, 30_000].map((length) => linesOf([length]));
    await append(1, 1, [first!]);
    disk.fill();
    // Room for what the sink's lock takes, and for half of the batch.
    const ballast = join(path, 'ballast');
    truncateSync(ballast, statSync(ballast).size - 5 * page_bytes);
    await expect(append(2, 5, batch)).rejects.toMatchObject({ code: 'ENOSPC' });
    expect(readFileSync(name).equals(first!)).toBe(true);
    disk.free();
    await append(2, 5, batch);
    expect(readFileSync(name).equals(Buffer.concat([first!, ...batch]))).toBe(true);
  });
});
