// Loaded into a benchmarked process with `--import`: SIGUSR2 starts a CPU profile, the next one writes it. A sample each
// BENCH_INTERVAL microseconds: a sample costs some 70 of them, so rare ones distort less and want more calls.
import { writeFileSync } from 'node:fs';
import { Session } from 'node:inspector/promises';

const session = new Session();
session.connect();
await session.post('Profiler.enable');
await session.post('Profiler.setSamplingInterval', { interval: Number(process.env.BENCH_INTERVAL ?? 200) });
let profiling = false;
process.on('SIGUSR2', async () => {
  profiling = !profiling;
  if (profiling) {
    await session.post('Profiler.start');
    return;
  }
  const { profile } = await session.post('Profiler.stop');
  writeFileSync(process.env.BENCH_PROFILE, JSON.stringify(profile));
});
