// What a call costs in the audit trail: CPU of all threads, microseconds a call, from its intent to its record in a sink's
// file. node bench/trail.mjs [--rounds 5] [--calls 12000] [--per-turn 4] [--rate 4000] [--against DIST]; needs `npm run
// build` first. With another build's dist/ the two take turns.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { here, median } from './rig.mjs';

const { values: options } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' },
    calls: { type: 'string', default: '12000' },
    'per-turn': { type: 'string', default: '4' },
    rate: { type: 'string', default: '4000' },
    against: { type: 'string' },
  },
});
const calls = Number(options.calls);
const perTurn = Number(options['per-turn']);
const rate = Number(options.rate);

const caller = Object.freeze({ organization: 'acme', team: 'research', key: 'key-0123456789ab', ip: '127.0.0.1' });
const request = Object.freeze({
  decision: 'allow',
  policy: 'default',
  version: '1',
  rules: [],
  reasons: [],
  obligations: [],
  shadowed: [],
  unable: [],
  warnings: [],
});
let number = 0;

const nextId = () => {
  number += 1;
  return `x-${String(number).padStart(22, '0')}`;
};

const intentOf = (exchange) => ({
  exchange,
  request_id: `req-${exchange}`,
  time_ms: 1_790_000_000_000 + number,
  route: '/v1/chat/completions',
  format: 'openai',
  caller,
  model_asked: 'bench-model',
  model_used: 'bench-model',
  provider: 'bench',
  region: undefined,
  streamed: false,
  held_nusd: 1_200_000 + (number % 1000),
  program: 'sha256:0123456789abcdef0123456789abcdef',
  prices: 'sha256:fedcba9876543210',
});

const recordOf = (exchange) => ({
  ...intentOf(exchange),
  attempts: [{ provider: 'bench', model: 'bench-model', status: 200, ms: (number % 977) / 93 }],
  scanned_in_bytes: 1024,
  scanned_out_bytes: 700,
  rails: [
    { rail: 'pii', on: 'request', outcome: 'clear', reason: undefined, findings: [] },
    { rail: 'secrets', on: 'request', outcome: 'clear', reason: undefined, findings: [] },
  ],
  facts: { 'team.tier': 'pro', 'llm.estimatedCost': 0.0012 },
  decision: { request, response: request, settle: undefined },
  usage: { input: 210, output: 90, cacheRead: 0 },
  cost_nusd: 390_000 + (number % 1000),
  cost_estimated: false,
  ending: 'complete',
  limited_by: undefined,
  failure: undefined,
  timings: {
    total: (number % 991) / 87,
    upstream: (number % 983) / 91,
    first_token: 1.2,
    overhead: (number % 71) / 93,
  },
  uninspected: false,
});

/** Each turn of the event loop some calls begin and those of the turn before end, at a steady rate; until all are delivered. */
async function round(trail) {
  const started = performance.now();
  const cpu = process.cpuUsage();
  let before = [];
  let last;
  for (let done = 0; done < calls; done += perTurn) {
    const wait = started + (done / rate) * 1000 - performance.now();
    await (wait > 0 ? new Promise((next) => setTimeout(next, wait)) : new Promise((next) => setImmediate(next)));
    for (const one of before) last = trail?.end(recordOf(one)) ?? recordOf(one);
    before = [];
    const begins = [];
    for (let one = 0; one < perTurn; one += 1) {
      const id = nextId();
      begins.push(trail?.begin(intentOf(id)) ?? intentOf(id));
      before.push(id);
    }
    await Promise.all(begins);
  }
  for (const one of before) last = trail?.end(recordOf(one)) ?? recordOf(one);
  await last;
  while (trail !== undefined && trail.state().waiting > 0) await new Promise((next) => setTimeout(next, 50));
  const { user, system } = process.cpuUsage(cpu);
  return { us: (user + system) / calls, system: system / calls };
}

async function opened(dist) {
  const { openTrail, fileSink } = await import(new URL('observe/index.js', dist).href);
  const { openEmbeddedQueue } = await import(new URL('stores/index.js', dist).href);
  const directory = mkdtempSync(join(tmpdir(), 'trail-bench-'));
  const trail = await openTrail({
    path: join(directory, 'spool'),
    spoolId: 'bench',
    sinks: [fileSink(join(directory, 'audit'))],
    queue: openEmbeddedQueue({ attempts: 5, backoff_ms: 250 }),
    recent_max: 0,
  });
  const close = async () => {
    await trail.close();
    rmSync(directory, { recursive: true, force: true });
  };
  return { trail, close, costs: [] };
}

const ours = { name: 'this build', ...(await opened(pathToFileURL(`${resolve(here, '../dist')}/`))) };
const others =
  options.against === undefined
    ? []
    : [{ name: options.against, ...(await opened(pathToFileURL(`${resolve(options.against)}/`))) }];
const nothing = { name: 'nothing', trail: undefined, close: () => {}, costs: [] };
const all = [ours, ...others, nothing];
for (const { trail } of all) await round(trail);
for (let index = 0; index < Number(options.rounds); index += 1) {
  for (const { trail, costs } of all) costs.push(await round(trail));
}
const bare = median(nothing.costs.map(({ us }) => us));
for (const { name, costs, close } of all.slice(0, -1)) {
  await close();
  const us = median(costs.map((one) => one.us)) - bare;
  const system = median(costs.map((one) => one.system));
  console.log(`${name}: ${us.toFixed(1)} us of CPU a call, all threads (${system.toFixed(1)} in the kernel)`);
  console.log(
    JSON.stringify({ bench: 'trail', name, per_turn: perTurn, rate, cpu_us: us, rounds: costs.map((one) => one.us) }),
  );
}
