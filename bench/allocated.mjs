// Loaded into a benchmarked process with `--import`: SIGUSR2 starts to sample what is allocated, the next one writes it. All that was
// allocated, however soon it was collected; with BENCH_LIVE=1 only what is still there at the end.
import { writeFileSync } from 'node:fs';
import { Session } from 'node:inspector/promises';

const collected = process.env.BENCH_LIVE !== '1';
const session = new Session();
session.connect();
let sampling = false;
process.on('SIGUSR2', async () => {
  sampling = !sampling;
  if (sampling) {
    await session.post('HeapProfiler.enable');
    await session.post('HeapProfiler.startSampling', {
      samplingInterval: 4096,
      includeObjectsCollectedByMajorGC: collected,
      includeObjectsCollectedByMinorGC: collected,
    });
    return;
  }
  const { profile } = await session.post('HeapProfiler.stopSampling');
  writeFileSync(process.env.BENCH_PROFILE, JSON.stringify(profile));
});
