// `npm run bench`: the gateway against a bare Node floor in the same rounds, then its engines. Prints tables, one
// machine-readable line each, and writes docs/performance.md. Needs Linux (/proc, taskset), two cores and redis-server.
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { build, checkNode, installPackages, installServer } from '../scripts/install.mjs';
import { ask, callBytes, expect, startFloor, startLibraries } from './call.mjs';
import { engines } from './engines.mjs';
import { startRedis } from './redis.mjs';
import {
  all_cores,
  cpuSeconds,
  here,
  load,
  median,
  other_cores,
  pacedLoad,
  percentile,
  pin,
  residentMb,
  root,
  start,
  table,
} from './rig.mjs';
import { workers } from './workers.mjs';

checkNode();
installPackages();
installServer('redis-server', 'redis-server');
build();

const quick = process.argv.includes('--quick');
const rounds = quick ? 2 : 5;
const calls = quick ? 1000 : 2000;
/** At saturation: a call of the floor takes 50 us, and CPU is counted in ticks of 10 ms. */
const busy_calls = quick ? 1000 : 4000;
const streams = quick ? 32 : 48;

/** Arrivals a second at which CPU per call is compared: about a quarter of what one core of the slowest target takes. */
const arrivals_per_second = 800;
/**
 * Calls before the first round, in two goes: until hot paths are compiled a call costs twice as much, the last of them are after
 * some 40,000, and when the first connections end some are compiled anew.
 */
const warm_up = quick ? 1000 : 40_000;

async function warm(target) {
  const bytes = callBytes(target);
  for (let half = 0; half < 2; half += 1)
    await load(target.address, { bytes, connections: 32, calls: warm_up / 2, expect });
}

/** One target in one round: CPU per call at load, calls a second, and what a lone caller waits. */
async function plainRound(target) {
  const bytes = callBytes(target);
  // Beside arrivals that fill no core the rig has a core of its own. At saturation it may run on both: on one it would be
  // what is saturated where it has a Redis as well.
  for (const pid of rig) pin(pid, other_cores);
  const atRate = cpuSeconds(target.pid);
  await pacedLoad(target.address, { bytes, calls, rate: arrivals_per_second, expect });
  const cpu_us = ((cpuSeconds(target.pid) - atRate) / calls) * 1e6;
  for (const pid of rig) pin(pid, all_cores);
  const before = cpuSeconds(target.pid);
  const { seconds } = await load(target.address, { bytes, connections: 32, calls: busy_calls, expect });
  const busy_cpu_us = ((cpuSeconds(target.pid) - before) / busy_calls) * 1e6;
  const alone = await load(target.address, { bytes, connections: 1, calls: Math.floor(calls / 8), expect });
  return {
    cpu_us,
    busy_cpu_us,
    calls_per_second: busy_calls / seconds,
    p50_ms: percentile(alone.latencies, 50),
    p99_ms: percentile(alone.latencies, 99),
    resident_mb: residentMb(target.pid),
  };
}

async function streamRound(target) {
  const bytes = callBytes(target, { ...ask, stream: true });
  await load(target.address, { bytes, connections: 16, calls: 16, expect: '[DONE]' });
  const before = cpuSeconds(target.pid);
  const { seconds } = await load(target.address, { bytes, connections: 16, calls: streams, expect: '[DONE]' });
  const cpu_s = cpuSeconds(target.pid) - before;
  return { cpu_us_per_delta: (cpu_s / (streams * 302)) * 1e6, deltas_per_cpu_second: (streams * 302) / cpu_s, seconds };
}

/** Runs a round function over all targets, interleaved, and gives each target's median of every figure. */
async function interleaved(targets, round) {
  const seen = new Map(targets.map(({ name }) => [name, []]));
  for (let index = 0; index < rounds; index += 1) {
    for (const target of targets) seen.get(target.name).push(await round(target));
  }
  return new Map(
    [...seen].map(([name, figures]) => [
      name,
      Object.fromEntries(Object.keys(figures[0]).map((figure) => [figure, median(figures.map((one) => one[figure]))])),
    ]),
  );
}

const redis = await startRedis();
// A Redis of its own: what one gateway leased would be missing to the other's calls.
const leasing = await startRedis();
const rig = [process.pid, redis.pid, leasing.pid];
const provider = await start(1, join(here, 'provider.mjs'));
const gateway = (mode, env = {}, ...rest) =>
  start(0, join(here, 'gateway.mjs'), [provider.address, mode, ...rest], env);
const targets = [
  { name: 'direct', ...provider, key: 'upstream-key' },
  { name: 'floor', ...(await startFloor(provider)) },
  { name: 'libraries alone', ...(await startLibraries(provider)) },
  { name: 'keys only', ...(await gateway('keys')) },
  { name: 'everything, embedded', ...(await gateway('everything')) },
  { name: 'everything and injection', ...(await gateway('everything', { BENCH_INJECTION: '1' })) },
  { name: 'everything, 10,000 policies', ...(await gateway('everything', { BENCH_POLICIES: '10000' })) },
  { name: 'everything, Redis', ...(await gateway('everything', {}, redis.url)) },
  { name: 'everything, Redis, leased', ...(await gateway('everything', { BENCH_LEASED: '1' }, leasing.url)) },
];
for (const target of targets) await warm(target);
const plain = await interleaved(targets, plainRound);
const streamed = await interleaved(
  targets.filter(({ name }) => ['floor', 'keys only', 'everything, embedded'].includes(name)),
  streamRound,
);
for (const target of targets) await target.stop();
await redis.stop();
await leasing.stop();

const floor = plain.get('floor');
const direct = plain.get('direct');
const plainRows = [
  ['gateway, plain call', 'CPU us', 'x floor', 'saturated', 'x floor', 'calls/s', 'p50 added ms', 'p99 added ms', 'MB'],
  ...[...plain]
    .filter(([name]) => name !== 'direct')
    .map(([name, one]) => [
      name,
      one.cpu_us.toFixed(0),
      (one.cpu_us / floor.cpu_us).toFixed(2),
      one.busy_cpu_us.toFixed(0),
      (one.busy_cpu_us / floor.busy_cpu_us).toFixed(2),
      one.calls_per_second.toFixed(0),
      (one.p50_ms - direct.p50_ms).toFixed(2),
      (one.p99_ms - direct.p99_ms).toFixed(2),
      one.resident_mb.toFixed(0),
    ]),
];
const floorStream = streamed.get('floor');
const streamRows = [
  ['gateway, streamed reply of 300 deltas', 'CPU us a delta', 'x floor', 'deltas a CPU second'],
  ...[...streamed].map(([name, one]) => [
    name,
    one.cpu_us_per_delta.toFixed(1),
    (one.cpu_us_per_delta / floorStream.cpu_us_per_delta).toFixed(2),
    one.deltas_per_cpu_second.toFixed(0),
  ]),
];
for (const rows of [plainRows, streamRows]) console.log(`\n${table(rows)}`);
const engineRows = await engines();
const { rows: workerRows, figures: workerFigures } = await workers(
  quick ? { rounds: 2, calls: 1000, warm_up: 2000 } : {},
);

for (const rows of [workerRows, ...engineRows]) console.log(`\n${table(rows)}`);
console.log(
  `\n${JSON.stringify({ bench: 'gateway', plain: Object.fromEntries(plain), streamed: Object.fromEntries(streamed), workers: workerFigures })}`,
);

const commit = spawnSync('git', ['rev-parse', '--short', 'HEAD'], { cwd: root, encoding: 'utf8' }).stdout.trim();
const markdown = (rows) =>
  [rows[0], rows[0].map(() => '---'), ...rows.slice(1)].map((row) => `| ${row.join(' | ')} |`).join('\n');
if (!quick) {
  writeFileSync(
    join(root, 'docs', 'performance.md'),
    `# Performance

Written by \`npm run bench\` at ${commit} on ${cpus()[0].model.trim()}, Node ${process.versions.node}. Medians of ${rounds} interleaved rounds;
gateway and floor on one core, the provider on the other. Machines differ: read the ratios. CPU is all
threads of the process, user and system.

The floor is a bare Node server that hands bytes to undici's \`Pool.dispatch\` and back and reads nothing. "Libraries
alone" are Fastify, undici and both bodies parsed, without anything of ours. "Everything" is keys, 50 policies, PII and secret rails both ways, two budgets and three rates exact, the audit trail durable and
chained. The first CPU figure is at 800 arrivals a second, the same for all, with load generator and Redis on the other core as well; the second at
saturation (32 connections, closed loop), where these may run on both and the fastest target wakes up least often. Latencies are a
lone caller's, over those of the same caller straight at the provider.

Two workers are compared with one gateway of one process, and with two such gateways side by side, which share nothing but
Redis: what those reach is what the machine allows, for generator, provider and Redis need its cores as well, and processes side
by side take room in caches from each other. "Of two gateways" is what the workers reach of it: 0.9 is 1.8 times one. There
are 32 connections for each process that serves; on one core, over all cores, and with a share each: three tenths of a core by the
kernel's CPU controller, with generator, provider and Redis on the other.

${[plainRows, streamRows, workerRows, ...engineRows].map(markdown).join('\n\n')}
`,
  );
}
