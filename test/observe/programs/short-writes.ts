import { open, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { fileSink, trailFile } from '../../../src/observe/trail/file-sink.ts';

/**
 * Appends parts of a text by a file sink on a full disk that is given back page by page meanwhile, and prints what sizes
 * the file was seen to have. With one thread for files, what three loops ask of it is done in turns: between two writes
 * of the sink another page comes free, so that each of them is short and none fails.
 */
const [disk = '', text = '', lengths = ''] = process.argv.slice(2);
const page_bytes = 4096;
const at_ms = Date.UTC(2026, 10, 21);

const whole = await readFile(text);
let end = 0;
const bytes = (JSON.parse(lengths) as number[]).map((length) => {
  end += length;
  return whole.subarray(end - length, end);
});

const ballast = await open(join(disk, 'ballast'), 'r+');
let left = (await ballast.stat()).size;
// Room for what the sink's lock takes, and for its first bytes.
left -= 8 * page_bytes;
await ballast.truncate(left);

let over = false;
const freeing = async (): Promise<void> => {
  while (!over && left > page_bytes) {
    left -= page_bytes;
    await ballast.truncate(left);
  }
};
const sizes = new Set<number>();
const watching = async (): Promise<void> => {
  while (!over) {
    const found = await stat(join(disk, 'audit', trailFile(at_ms))).catch(() => undefined);
    if (found !== undefined) sizes.add(found.size);
  }
};
const appending = fileSink(join(disk, 'audit'))
  .append?.({ spool: 'one', from: 1, to: 9, hash: 'last', first_ms: at_ms, last_ms: at_ms, bytes })
  .finally(() => {
    over = true;
  });
await Promise.all([freeing(), watching(), appending]);
console.log(JSON.stringify([...sizes]));
