// Two workers against one, everything on, over Redis: on one core, over all cores, and with a share of a core each. The rig needs cores
// too: where it shares them, calls a second tell of the machine. With a share of a core for each process that serves, and the rig on
// cores of its own, they tell of the workers.
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { callBytes, expect } from './call.mjs';
import { startRedis } from './redis.mjs';
import {
  all_cores,
  cpuSeconds,
  family,
  here,
  load,
  mainSeconds,
  median,
  other_cores,
  pin,
  start,
  table,
} from './rig.mjs';
import { giveShares } from './share.mjs';

/** Of a core, for each process that serves: two and the one that has them leave room on it for the kernel's work. */
const share = 0.3;

/** CPU seconds of each process of a gateway: alone, or the one that has workers first and then those. */
const spent = (pid) => family(pid).map((one) => ({ pid: one, all: cpuSeconds(one), main: mainSeconds(one) }));
const own = () => process.cpuUsage();
const total = (list) => list.reduce((sum, one) => sum + one, 0);

/**
 * Calls a second with 32 connections for each worker, and CPU a call: of the gateway's processes, of their main threads
 * alone (the rest is what compiles and collects beside), of the process that has the workers, and of everything else of
 * the rig. `busiest` is the largest part of the workers' CPU that one of them had: 0.5 where two share the calls evenly.
 */
async function round(target, others, calls) {
  const { address, pid, count } = target;
  const bytes = callBytes(target);
  const [before, beside, mine] = [spent(pid), total(others.map(cpuSeconds)), own()];
  const { seconds } = await load(address, { bytes, connections: 32 * count, calls, expect });
  const generator = process.cpuUsage(mine);
  const rest = total(others.map(cpuSeconds)) - beside + (generator.user + generator.system) / 1e6;
  const processes = spent(pid).map((one, at) => ({ all: one.all - before[at].all, main: one.main - before[at].main }));
  const all = processes.map((one) => one.all);
  const serving = all.length === 1 ? all : all.slice(1);
  const us = (sum) => (sum / calls) * 1e6;
  return {
    calls_per_second: calls / seconds,
    cpu_us: us(total(all)),
    main_us: us(total(processes.map(({ main }) => main))),
    primary_us: us(all.length === 1 ? 0 : all[0]),
    busiest: Math.max(...serving) / total(serving),
    rest_us: us(rest),
  };
}

/** Rows of a table and the figures behind them. */
export async function workers({ rounds = 5, calls = 4000, warm_up = 20_000 } = {}) {
  const cores = availableParallelism();
  const redis = await startRedis();
  const provider = await start(all_cores, join(here, 'provider.mjs'));
  const gateway = (core, count) =>
    start(core, join(here, 'gateway.mjs'), [provider.address, 'everything', redis.url], {
      BENCH_WORKERS: String(count),
    });
  const places = [
    ['one core', 0],
    ['all cores', all_cores],
  ];
  if (cores > 1) places.push(['a share each', 0]);
  const figures = {};
  for (const [place, core] of places) {
    const shared = place === 'a share each';
    const targets = [
      { count: 1, ...(await gateway(core, 1)) },
      { count: 2, ...(await gateway(core, 2)) },
    ];
    const others = [provider.pid, redis.pid];
    // Each process has to compile its hot paths for itself, and its other threads are at it for many thousand calls.
    for (const target of targets) await round(target, others, warm_up * target.count);
    const serving = targets.flatMap(({ pid }) => (family(pid).length === 1 ? [pid] : family(pid).slice(1)));
    const takeShares = shared ? giveShares(serving, share) : () => {};
    if (takeShares === undefined)
      console.error('No group with a share of a core can be made here: that row is left out.');
    if (shared) for (const pid of [process.pid, ...others]) pin(pid, other_cores);
    const seen = targets.map(() => []);
    for (let at = 0; at < rounds && takeShares !== undefined; at += 1)
      for (const [index, target] of targets.entries()) seen[index].push(await round(target, others, calls));
    for (const target of targets) await target.stop();
    if (shared) for (const pid of [process.pid, ...others]) pin(pid, all_cores);
    if (takeShares === undefined) continue;
    takeShares();
    const middle = (list, name) => median(list.map((one) => one[name]));
    figures[place] = targets.map(({ count }, index) => ({
      workers: count,
      calls_per_second: middle(seen[index], 'calls_per_second'),
      cpu_us: middle(seen[index], 'cpu_us'),
      main_us: middle(seen[index], 'main_us'),
      primary_us: middle(seen[index], 'primary_us'),
      busiest: middle(seen[index], 'busiest'),
      rest_us: middle(seen[index], 'rest_us'),
    }));
  }
  await provider.stop();
  await redis.stop();
  const rows = [
    [
      'workers, everything on, Redis',
      'workers',
      'calls/s',
      'x one',
      'CPU us',
      'x one',
      'main threads',
      'primary',
      'busiest',
      'rig, CPU us',
      'rig allows',
    ],
    ...Object.entries(figures).flatMap(([place, list]) =>
      list.map((one) => {
        const [first] = list;
        // What the cores could serve at most, over what one worker did: all of them where the rig shares them, else the rig's own.
        const cpu_us = place === 'all cores' ? one.cpu_us + one.rest_us : one.rest_us;
        const most = (place === 'all cores' ? cores : cores - 1) / (cpu_us / 1e6) / first.calls_per_second;
        return [
          place,
          one.workers,
          one.calls_per_second.toFixed(0),
          (one.calls_per_second / first.calls_per_second).toFixed(2),
          one.cpu_us.toFixed(0),
          (one.cpu_us / first.cpu_us).toFixed(2),
          one.main_us.toFixed(0),
          one.primary_us.toFixed(0),
          one.busiest.toFixed(2),
          one.rest_us.toFixed(0),
          one.workers === 1 || place === 'one core' ? '' : `x ${Math.min(most, one.workers).toFixed(2)}`,
        ];
      }),
    ),
  ];
  return { rows, figures };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { rows, figures } = await workers(
    process.argv.includes('--quick') ? { rounds: 3, calls: 2000, warm_up: 8000 } : {},
  );
  console.log(`${table(rows)}\n\n${JSON.stringify({ bench: 'workers', figures })}`);
}
