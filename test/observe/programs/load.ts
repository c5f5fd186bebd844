import { appendFileSync } from 'node:fs';
import { openSpool } from '../../../src/observe/index.ts';
import { intent, record } from '../plain.ts';

/** Begins and ends exchanges as fast as it can until it is killed. Before each begin it says so in a file of its own. */
const [path = '', journal = '', run = ''] = process.argv.slice(2);
const spool = openSpool({
  path,
  spoolId: 'load',
  fsync: 'group',
  segment_bytes_max: 200_000,
  reserve_bytes: 65_536,
  clock: Date.now,
});
console.log('ready');
for (let count = 0; ; count++) {
  const ids = [0, 1, 2, 3, 4].map((lane) => `${run}-${count}-${lane}`);
  for (const id of ids) void spool.begin(intent(id)).then(() => appendFileSync(journal, `begun ${id}\n`));
  // The last of five is still under way when the next ones begin.
  const ended = ids.slice(0, 4);
  if (count > 0) ended.push(`${run}-${count - 1}-4`);
  await Promise.all(ended.map((id) => spool.end(record(id))));
  appendFileSync(journal, ended.map((id) => `ended ${id}\n`).join(''));
}
