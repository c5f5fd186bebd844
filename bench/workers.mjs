// Two workers against one gateway, everything on, over Redis: on one core, over all cores, and with a share of a core each. The rig
// needs cores too, and processes side by side take room in caches from each other: how much of twice the calls a machine
// allows is told by two gateways of one process each, which share nothing but Redis, in the same rounds.
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
/** The processes of a gateway that answer calls. */
const serving = (list) => (list.length === 1 ? list : list.slice(1));
const own = () => process.cpuUsage();
const total = (list) => list.reduce((sum, one) => sum + one, 0);

/**
 * Calls a second with 32 connections for each process that serves, and CPU a call: of the gateways' processes, of their main
 * threads alone (the rest is what compiles and collects beside), of the process that has the workers, and of everything
 * else of the rig. `busiest` is the largest part of the serving processes' CPU that one of them had: 0.5 where two share
 * the calls evenly.
 */
async function round({ gateways, count }, others, calls) {
  const [before, beside, mine] = [gateways.map(({ pid }) => spent(pid)), total(others.map(cpuSeconds)), own()];
  const each = { connections: (32 * count) / gateways.length, calls: calls / gateways.length, expect };
  const loads = await Promise.all(gateways.map((one) => load(one.address, { ...each, bytes: callBytes(one) })));
  const seconds = Math.max(...loads.map((one) => one.seconds));
  const generator = process.cpuUsage(mine);
  const rest = total(others.map(cpuSeconds)) - beside + (generator.user + generator.system) / 1e6;
  const after = gateways.map(({ pid }, which) =>
    spent(pid).map((one, at) => ({
      all: one.all - before[which][at].all,
      main: one.main - before[which][at].main,
    })),
  );
  const us = (list, what) => (total(list.map((one) => one[what])) / calls) * 1e6;
  const busy = after.flatMap(serving).map(({ all }) => all);
  return {
    calls_per_second: calls / seconds,
    cpu_us: us(after.flat(), 'all'),
    main_us: us(after.flat(), 'main'),
    primary_us: us(
      after.flatMap((list) => (list.length === 1 ? [] : [list[0]])),
      'all',
    ),
    busiest: Math.max(...busy) / total(busy),
    rest_us: (rest / calls) * 1e6,
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
      { name: 'one gateway', count: 1, gateways: [await gateway(core, 1)] },
      { name: 'two gateways', count: 2, gateways: [await gateway(core, 1), await gateway(core, 1)] },
      { name: 'two workers', count: 2, gateways: [await gateway(core, 2)] },
    ];
    const others = [provider.pid, redis.pid];
    // Each process has to compile its hot paths for itself, and its other threads are at it for many thousand calls.
    for (const target of targets) await round(target, others, warm_up * target.count);
    const started = targets.flatMap(({ gateways }) => gateways);
    const served = started.flatMap(({ pid }) => serving(family(pid)));
    const takeShares = shared ? giveShares(served, share) : () => {};
    if (takeShares === undefined)
      console.error('No group with a share of a core can be made here: those rows are left out.');
    if (shared) for (const pid of [process.pid, ...others]) pin(pid, other_cores);
    const seen = targets.map(() => []);
    for (let at = 0; at < rounds && takeShares !== undefined; at += 1)
      for (const [index, target] of targets.entries()) seen[index].push(await round(target, others, calls));
    for (const one of started) await one.stop();
    if (shared) for (const pid of [process.pid, ...others]) pin(pid, all_cores);
    if (takeShares === undefined) continue;
    takeShares();
    figures[place] = targets.map(({ name }, index) => ({
      name,
      ...Object.fromEntries(
        Object.keys(seen[index][0]).map((figure) => [figure, median(seen[index].map((one) => one[figure]))]),
      ),
    }));
  }
  await provider.stop();
  await redis.stop();
  const rows = [
    [
      'workers, everything on, Redis',
      'serving',
      'calls/s',
      'x one',
      'of two gateways',
      'CPU us',
      'x one',
      'main threads',
      'primary',
      'busiest',
      'rig, CPU us',
    ],
    ...Object.entries(figures).flatMap(([place, list]) => {
      const [first, both] = list;
      return list.map((one) => [
        place,
        one.name,
        one.calls_per_second.toFixed(0),
        (one.calls_per_second / first.calls_per_second).toFixed(2),
        one === first ? '' : (one.calls_per_second / both.calls_per_second).toFixed(2),
        one.cpu_us.toFixed(0),
        (one.cpu_us / first.cpu_us).toFixed(2),
        one.main_us.toFixed(0),
        one.primary_us.toFixed(0),
        one.busiest.toFixed(2),
        one.rest_us.toFixed(0),
      ]);
    }),
  ];
  return { rows, figures };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { rows, figures } = await workers(
    process.argv.includes('--quick') ? { rounds: 3, calls: 2000, warm_up: 8000 } : {},
  );
  console.log(`${table(rows)}\n\n${JSON.stringify({ bench: 'workers', figures })}`);
}
