// Two workers against one, everything on, over Redis: CPU per call on one core, and calls a second over all cores.
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { startRedis } from './redis.mjs';
import { cpuSeconds, family, here, load, median, requestBytes, start, table } from './rig.mjs';

const key = 'bench-team-key-0123456789';
const ask = JSON.stringify({
  model: 'bench-model',
  messages: [
    { role: 'system', content: 'You are a helpful assistant for gardeners.' },
    { role: 'user', content: 'Explain how to grow tomatoes on a small balcony in a cold climate, please. '.repeat(11) },
  ],
  temperature: 0.2,
  max_tokens: 400,
});

const spent = (pid) => family(pid).reduce((sum, one) => sum + cpuSeconds(one), 0);
const own = () => process.cpuUsage();

/** Calls a second, CPU of the gateway's processes a call, and CPU of everything else of the rig a call. */
async function round({ address, pid }, others, calls) {
  const bytes = requestBytes(address, '/v1/chat/completions', { authorization: `Bearer ${key}` }, ask);
  const [before, beside, mine] = [spent(pid), others.reduce((sum, one) => sum + cpuSeconds(one), 0), own()];
  const { seconds } = await load(address, { bytes, connections: 32, calls, expect: 'quick brown fox' });
  const generator = process.cpuUsage(mine);
  const rest =
    others.reduce((sum, one) => sum + cpuSeconds(one), 0) - beside + (generator.user + generator.system) / 1e6;
  return {
    calls_per_second: calls / seconds,
    cpu_us: ((spent(pid) - before) / calls) * 1e6,
    rest_us: (rest / calls) * 1e6,
  };
}

/** Rows of a table and the figures behind them. */
export async function workers({ rounds = 5, calls = 3000, warm_up = 6000 } = {}) {
  const cores = availableParallelism();
  const all = `0-${cores - 1}`;
  const redis = await startRedis();
  const provider = await start(all, join(here, 'provider.mjs'));
  const gateway = (core, count) =>
    start(core, join(here, 'gateway.mjs'), [provider.address, 'everything', redis.url], {
      BENCH_WORKERS: String(count),
    });
  const places = [
    ['one core', 0],
    ['all cores', all],
  ];
  const figures = {};
  for (const [place, core] of places) {
    const targets = [
      { count: 1, ...(await gateway(core, 1)) },
      { count: 2, ...(await gateway(core, 2)) },
    ];
    const others = [provider.pid, redis.pid];
    // Each process has to compile its hot paths for itself.
    for (const target of targets) await round(target, others, warm_up * target.count);
    const seen = targets.map(() => []);
    for (let at = 0; at < rounds; at += 1)
      for (const [index, target] of targets.entries()) seen[index].push(await round(target, others, calls));
    for (const target of targets) await target.stop();
    const middle = (list, name) => median(list.map((one) => one[name]));
    figures[place] = targets.map(({ count }, index) => ({
      workers: count,
      calls_per_second: middle(seen[index], 'calls_per_second'),
      cpu_us: middle(seen[index], 'cpu_us'),
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
      'rig beside, CPU us',
      'rig allows',
    ],
    ...Object.entries(figures).flatMap(([place, list]) =>
      list.map((one) => {
        const [first] = list;
        // With the rig on the same cores: what those cores could serve at most, over what one worker did.
        const most = place === 'one core' ? 1 : cores / ((one.cpu_us + one.rest_us) / 1e6) / first.calls_per_second;
        return [
          place,
          one.workers,
          one.calls_per_second.toFixed(0),
          (one.calls_per_second / first.calls_per_second).toFixed(2),
          one.cpu_us.toFixed(0),
          (one.cpu_us / first.cpu_us).toFixed(2),
          one.rest_us.toFixed(0),
          one.workers === 1 ? '' : `x ${Math.min(most, one.workers).toFixed(2)}`,
        ];
      }),
    ),
  ];
  return { rows, figures };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { rows, figures } = await workers(
    process.argv.includes('--quick') ? { rounds: 3, calls: 1500, warm_up: 3000 } : {},
  );
  console.log(`${table(rows)}\n\n${JSON.stringify({ bench: 'workers', figures })}`);
}
