// Pairs of reserve and settle: how many a second, and microseconds of wall and CPU time a pair.
// node bench/ledger.mjs [--rounds 5] [--pairs 20000] [--redis-pairs 10000]; needs `npm run build` first.
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { Redis } from 'ioredis';

const dist = process.env.LEDGER_DIST ?? new URL('../dist/', import.meta.url).href;
const { openEmbeddedLedger, openLeasedLedger, openRedisLedger } = await import(
  new URL('stores/index.js', dist).href
).catch((error) => {
  console.error(`the built stores are missing (${error.message}); run: npm run build`);
  process.exit(3);
});
const { values: options } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' },
    pairs: { type: 'string', default: '20000' },
    'redis-pairs': { type: 'string', default: '10000' },
    concurrency: { type: 'string', default: '32' },
  },
});
const rounds = Number(options.rounds);
const concurrency = Number(options.concurrency);

// Two budgets and three rates, as in the gateway's "everything on"; and six scopes, as the Redis goal has it.
const scope = { kind: 'team', id: 'research' };
const base = { timeZone: 'UTC', unit: 'nusd', limit: 9e15, hard: true, warnPercent: [] };
const shapes = {
  'two budgets, three rates': {
    budgets: [
      { ...base, scope, window: 'day' },
      { ...base, scope, window: 'month' },
    ],
    rates: [
      { scope, unit: 'requests', limit: 1e12, window_ms: 60_000 },
      { scope, unit: 'tokens', limit: 1e12, window_ms: 60_000 },
      { scope, unit: 'concurrent', limit: 1e6, window_ms: 0 },
    ],
  },
  'six budgets': {
    budgets: ['organization', 'team', 'project', 'user', 'key', 'model'].map((kind) => ({
      ...base,
      scope: { kind, id: 'x' },
      window: 'month',
    })),
    rates: [],
  },
  // Each call of another user: what a leased ledger has to take anew nearly every time.
  'a budget for each of 2,000 users': {
    of: (at) => users[at % users.length],
  },
};
const users = Array.from({ length: 2_000 }, (_, at) => ({
  budgets: [
    { ...base, scope, window: 'month' },
    { ...base, scope: { kind: 'user', id: `u${at}` }, window: 'day' },
  ],
  rates: [],
}));

async function run(ledger, shape, pairs, tag, posted = false) {
  let next = 0;
  const worker = async () => {
    while (next < pairs) {
      const { budgets, rates } = shape.of?.(next) ?? shape;
      const id = `${tag}-${next++}`;
      const reserved = await ledger.reserve({
        id,
        organization: 'acme',
        amount: { nusd: 1_200_000, tokens: 1_500 },
        budgets,
        rates,
        lease_ms: 60_000,
        owner: 'bench',
      });
      if (reserved.outcome !== 'held') throw new Error(`refused: ${JSON.stringify(reserved.refusal)}`);
      const amount = { nusd: 900_000, tokens: 1_100 };
      const settlement = { id, organization: 'acme', amount, estimated: false };
      if (posted) {
        await ledger.post(settlement);
        continue;
      }
      const { outcome } = await ledger.settle(settlement);
      if (outcome !== 'settled') throw new Error(`settle answered ${outcome}`);
    }
  };
  const cpu = process.cpuUsage();
  const start = performance.now();
  await Promise.all(Array.from({ length: concurrency }, worker));
  const wall_us = (performance.now() - start) * 1_000;
  const used = process.cpuUsage(cpu);
  return { wall_us: wall_us / pairs, cpu_us: (used.user + used.system) / pairs };
}

const median = (list) => [...list].sort((a, b) => a - b)[Math.floor(list.length / 2)];

async function redisServer() {
  const probe = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => probe.once('listening', resolve));
  const { port } = probe.address();
  await new Promise((resolve) => probe.close(resolve));
  const child = spawn(
    process.env.REDIS_SERVER ?? 'redis-server',
    ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no'],
    { stdio: 'ignore' },
  );
  const missing = new Promise((resolve) => child.once('error', () => resolve(true)));
  const client = new Redis(port, '127.0.0.1', { retryStrategy: () => 50, maxRetriesPerRequest: null });
  client.on('error', () => {});
  if (await Promise.race([client.ping().then(() => false), missing])) {
    client.disconnect();
    return undefined;
  }
  return { child, client, url: `redis://127.0.0.1:${port}` };
}

const directory = mkdtempSync(join(tmpdir(), 'ledger-bench-'));
const embedded = await openEmbeddedLedger({ path: directory });
const server = await redisServer();
const remote =
  server &&
  (await openRedisLedger({
    url: server.url,
    keyPrefix: 'bench',
    owner: 'bench',
    deadline_ms: 5_000,
    entries_max: 1_000,
  }));
// As a gateway settles: written down, sent, and not waited for.
const posting =
  server &&
  (await openRedisLedger({
    url: server.url,
    keyPrefix: 'posted',
    owner: 'bench',
    outbox_path: join(directory, 'outbox'),
    deadline_ms: 5_000,
    entries_max: 1_000,
  }));
const leased =
  server &&
  (await openLeasedLedger({
    url: server.url,
    keyPrefix: 'leased',
    owner: 'bench',
    path: join(directory, 'slices'),
    deadline_ms: 5_000,
    entries_max: 1_000,
  }));
const usedCpu = async () => {
  const info = await server.client.info('cpu');
  const seconds = (name) => Number(new RegExp(`${name}:([\\d.]+)`).exec(info)[1]);
  return (seconds('used_cpu_user') + seconds('used_cpu_sys')) * 1e6;
};

const results = [];
for (const [name, shape] of Object.entries(shapes)) {
  const embeddedRounds = [];
  const redisRounds = [];
  const postedRounds = [];
  const leasedRounds = [];
  await run(embedded, shape, Number(options.pairs), `warm-${results.length}`);
  if (remote) await run(remote, shape, Number(options['redis-pairs']), `warm-${results.length}`);
  if (posting) await run(posting, shape, Number(options['redis-pairs']), `warm-${results.length}`, true);
  if (leased) await run(leased, shape, Number(options.pairs), `warm-${results.length}`);
  for (let round = 0; round < rounds; round++) {
    embeddedRounds.push(await run(embedded, shape, Number(options.pairs), `e${results.length}-${round}`));
    if (!remote) continue;
    const before = await usedCpu();
    const pairs = Number(options['redis-pairs']);
    const result = await run(remote, shape, pairs, `r${results.length}-${round}`);
    redisRounds.push({ ...result, server_us: ((await usedCpu()) - before) / pairs });
    const sent = await usedCpu();
    const told = await run(posting, shape, pairs, `p${results.length}-${round}`, true);
    while ((await posting.holds('acme')).length > 0) await new Promise((resolve) => setTimeout(resolve, 2));
    postedRounds.push({ ...told, server_us: ((await usedCpu()) - sent) / pairs });
    const start = await usedCpu();
    const local = await run(leased, shape, Number(options.pairs), `l${results.length}-${round}`);
    // What was settled is told afterwards: that is part of its price.
    await leased.flush();
    leasedRounds.push({ ...local, server_us: ((await usedCpu()) - start) / Number(options.pairs) });
  }
  const row = (store, list) => ({
    store,
    limits: name,
    pairs_per_second: Math.round(1e6 / median(list.map((one) => one.wall_us))),
    us_per_pair: Number(median(list.map((one) => one.wall_us)).toFixed(2)),
    cpu_us_per_pair: Number(median(list.map((one) => one.cpu_us)).toFixed(2)),
    ...(list[0].server_us === undefined
      ? {}
      : {
          redis_cpu_us_per_pair: Number(median(list.map((one) => one.server_us)).toFixed(2)),
          pairs_per_redis_core_second: Math.round(1e6 / median(list.map((one) => one.server_us))),
        }),
  });
  results.push(row('embedded', embeddedRounds));
  if (remote) results.push(row('redis', redisRounds), row('redis, posted', postedRounds), row('leased', leasedRounds));
}
console.table(results);
if (!remote) console.log('redis-server is not installed: only the embedded store was measured');
console.log(JSON.stringify({ bench: 'ledger', rounds, concurrency, results }));

await embedded.close();
await remote?.close();
await posting?.close();
await leased?.close();
server?.client.disconnect();
server?.child.kill();
rmSync(directory, { recursive: true, force: true });
