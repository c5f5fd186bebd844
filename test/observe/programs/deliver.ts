import { join } from 'node:path';
import { fileSink, openTrail } from '../../../src/observe/index.ts';
import { openEmbeddedQueue } from '../../../src/stores/index.ts';
import { intent, record } from '../plain.ts';

/** Begins and ends exchanges with a file sink behind, until it is killed. `drain` delivers what is left and ends. */
const [dir = '', run = ''] = process.argv.slice(2);
const trail = await openTrail({
  path: join(dir, 'data'),
  spoolId: 'one',
  sinks: [fileSink(join(dir, 'audit'))],
  queue: openEmbeddedQueue({ attempts: 2, backoff_ms: 5 }),
  linger_ms: 1,
  segment_bytes_max: 100_000,
  reserve_bytes: 65_536,
});
console.log('ready');
if (run === 'drain') await trail.close();
for (let count = 0; run !== 'drain'; count++) {
  const ids = [0, 1, 2].map((lane) => `${run}-${count}-${lane}`);
  await Promise.all(ids.map((id) => trail.begin(intent(id))));
  await Promise.all(ids.map((id) => trail.end(record(id))));
  if (count === 12) console.log('under way');
  await new Promise((next) => setImmediate(next));
}
