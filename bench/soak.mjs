// `npm run soak`: a gateway of two workers over a Redis of its own, under a mixed load for an hour (--minutes), before a
// provider with faults. Exits 1 where memory grows, descriptors stay open, counters drift, something stays held, or a
// call has no record. Needs Linux (/proc) and redis-server.
import { spawn, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { Agent, createServer, request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { Redis } from 'ioredis';
import { build, checkNode, installPackages, installServer } from '../scripts/install.mjs';
import { startRedis } from './redis.mjs';
import { descriptors, median, residentMb, root, table } from './rig.mjs';

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '60' },
    rate: { type: 'string', default: '60' },
    workers: { type: 'string', default: '2' },
    mode: { type: 'string', default: 'exact' },
    // Growth of a process's memory from the first third after warming up to the last, in percent.
    growth: { type: 'string', default: '10' },
    built: { type: 'boolean', default: false },
  },
});
const [minutes, rate, workers, growth_max] = [values.minutes, values.rate, values.workers, values.growth].map(Number);
if (![minutes, rate, workers, growth_max].every((one) => one > 0)) {
  console.error('--minutes, --rate, --workers and --growth are numbers above 0');
  process.exit(2);
}
if (!values.built) {
  checkNode();
  installPackages();
  installServer('redis-server', 'redis-server');
  build();
}

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
/** Below this it is noise: pages of code and of a young heap. */
const growth_mb_floor = 12;
const lease_ms = 5000;
const keys = { team: 'soak-team-key-0123456789', admin: 'soak-admin-key-0123456789', provider: 'upstream-key' };

const words = 'rivers shape valleys over many thousand years of slow and patient work '.split(' ');
const usage = { prompt_tokens: 20, completion_tokens: 40, total_tokens: 60 };
const reply = (model) => ({
  id: 'chatcmpl-soak',
  object: 'chat.completion',
  created: 1790000000,
  model,
  choices: [{ index: 0, message: { role: 'assistant', content: words.join(' ') }, finish_reason: 'stop' }],
  usage,
});
const delta = (content, finish_reason = null) => ({
  id: 'chatcmpl-soak',
  object: 'chat.completion.chunk',
  created: 1790000000,
  model: 'steady',
  choices: [{ index: 0, delta: finish_reason === null ? { content } : {}, finish_reason }],
});

/** A provider that answers, and fails in the ways its models are named after. */
async function startProvider() {
  const server = createServer(async (incoming, response) => {
    let text = '';
    for await (const chunk of incoming) text += chunk;
    const { model, stream } = JSON.parse(text);
    if (model === 'failing') {
      response.writeHead(500, { 'content-type': 'application/json' }).end('{"error":{"message":"no"}}');
      return;
    }
    if (model === 'vanishing') {
      response.destroy();
      return;
    }
    if (!stream) {
      response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(reply(model)));
      return;
    }
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    for (const [index, word] of words.entries()) {
      if (response.destroyed) return;
      if (model === 'cutting' && index === 4) {
        response.destroy();
        return;
      }
      response.write(`data: ${JSON.stringify(delta(`${word} `))}\n\n`);
      await sleep(10);
    }
    response.write(`data: ${JSON.stringify(delta('', 'stop'))}\n\n`);
    response.write(`data: ${JSON.stringify({ ...delta(''), choices: [], usage })}\n\n`);
    response.end('data: [DONE]\n\n');
  });
  server.keepAliveTimeout = 600_000;
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { address: `http://127.0.0.1:${server.address().port}`, stop: () => server.close() };
}

function writeFiles(directory, provider) {
  const put = (path, text) => {
    mkdirSync(join(directory, path, '..'), { recursive: true });
    writeFileSync(join(directory, path), text);
  };
  const model = '{ input_usd_per_mtok: 1, output_usd_per_mtok: 2, context_tokens: 128000, output_tokens_max: 4096 }';
  const names = ['steady', 'failing', 'vanishing', 'cutting', 'forbidden'];
  put(
    'providers/soak.yaml',
    `id: soak\nformat: openai\nbase_url: ${provider}/v1\nauth: { type: bearer, key: "\${SOAK_KEY}" }\nmodels:\n${names.map((name) => `  ${name}: ${model}\n`).join('')}`,
  );
  put(
    'policies/soak.yaml',
    `metadata: { id: soak, name: Soak, version: 1.0.0 }
rules:
  - id: forbidden
    condition: { operator: eq, field: llm.model, value: forbidden }
    action: { decision: deny, reason: Not this one }
  - id: redact
    on: response
    action: { decision: modify, redact: { rails: [pii, secrets] }, reason: Personal data }
`,
  );
  put(
    'gateway.yaml',
    `server: { port: 0, workers: ${workers} }
admin: { port: 0, keys: ["\${SOAK_ADMIN}"] }
metrics: { port: 0 }
state: { driver: redis, url: "\${SOAK_REDIS}", path: ${join(directory, 'data')}, mode: ${values.mode}, lease_ms: ${lease_ms}, deadline_ms: 5000 }
providers: [${join(directory, 'providers')}]
policies: { path: ${join(directory, 'policies')} }
organizations:
  - id: acme
    teams:
      - id: research
        keys: ["\${SOAK_TEAM}"]
        budgets: [{ window: day, limit_usd: 1000000 }, { window: month, limit_usd: 8000000 }]
        limits: { requests_per_minute: 100000000, tokens_per_minute: 100000000000, concurrent: 100000 }
routing: { retries: 1, circuit: { failures: 1000000 } }
audit: { sinks: [{ type: file, path: ${join(directory, 'data', 'audit')} }] }
telemetry: { log_level: warn }
`,
  );
  return join(directory, 'gateway.yaml');
}

const program = join(root, 'dist', 'cli.js');

function serve(file, env) {
  const child = spawn(process.execPath, [program, 'serve', '--config', file, '--json'], {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  return new Promise((resolve, reject) => {
    let text = '';
    child.stdout.on('data', (chunk) => {
      if (text.length < 65_536) text += chunk;
      const line = text.split('\n').find((one) => one.startsWith('{"addresses"'));
      if (line !== undefined) resolve({ ...JSON.parse(line), child });
    });
    child.once('exit', (code) => reject(new Error(`the gateway ended with ${code}: ${text}`)));
  });
}

/** Kinds of calls, how many of a hundred, and what each must come to. */
const kinds = [
  { name: 'plain', share: 50, body: { model: 'steady' }, status: 200 },
  { name: 'streamed', share: 22, body: { model: 'steady', stream: true }, status: 200 },
  { name: 'aborted', share: 10, body: { model: 'steady', stream: true }, status: 200, abort: true },
  { name: 'denied', share: 6, body: { model: 'forbidden' }, status: 403 },
  { name: 'unknown key', share: 3, body: { model: 'steady' }, status: 401, key: 'nobody' },
  { name: 'provider fails', share: 3, body: { model: 'failing' }, status: 500 },
  { name: 'provider vanishes', share: 3, body: { model: 'vanishing' }, status: 502 },
  { name: 'provider cuts', share: 3, body: { model: 'cutting', stream: true }, status: 200 },
];
const turns = kinds.flatMap((kind) => Array.from({ length: kind.share }, () => kind));
const agent = new Agent({ keepAlive: true, maxSockets: 64 });

/** One call to its end; resolves with its status. */
function call(address, { body, key = keys.team, abort }) {
  const text = JSON.stringify({
    ...body,
    max_tokens: 100,
    messages: [{ role: 'user', content: 'How do valleys form?' }],
  });
  return new Promise((resolve, reject) => {
    const headers = {
      authorization: `Bearer ${key}`,
      'content-type': 'application/json',
      'content-length': text.length,
    };
    const outgoing = request(`${address}/v1/chat/completions`, { method: 'POST', headers, agent }, (incoming) => {
      const done = () => resolve(incoming.statusCode);
      incoming.on('data', () => abort && outgoing.destroy());
      incoming.once('end', done).once('error', done).once('close', done);
    });
    outgoing.once('error', reject);
    outgoing.end(text);
  });
}

const directory = mkdtempSync(join(tmpdir(), 'llm-policy-soak-'));
const redis = await startRedis();
const provider = await startProvider();
const env = { SOAK_KEY: keys.provider, SOAK_ADMIN: keys.admin, SOAK_TEAM: keys.team, SOAK_REDIS: redis.url };
const file = writeFiles(directory, provider.address);
const gateway = await serve(file, env);
const { data, admin, metrics } = gateway.addresses;
const ask = async (path, method = 'GET') => {
  const answer = await fetch(admin + path, { method, headers: { authorization: `Bearer ${keys.admin}` } });
  return await answer.json();
};
const processes = async () => {
  const list = workers === 1 ? [] : (await ask('/admin/v1/workers')).workers;
  return [gateway.child.pid, ...list.map(({ pid }) => pid)];
};

const counts = new Map(kinds.map(({ name }) => [name, 0]));
const wrong = [];
const running = new Set();
let made = 0;
function begin() {
  // Another order than the shares': a step that has no part in a hundred.
  const kind = turns[(made * 37) % turns.length];
  made += 1;
  counts.set(kind.name, counts.get(kind.name) + 1);
  const one = call(data, kind).then(
    (status) => status !== kind.status && wrong.push(`${kind.name}: ${status} instead of ${kind.status}`),
    (error) => wrong.push(`${kind.name}: ${error.message}`),
  );
  running.add(one);
  one.finally(() => running.delete(one));
}

async function underLoad(seconds, sample) {
  const began = performance.now();
  const every_s = Math.max(1, seconds / 200);
  let due = 0;
  let sampled = 0;
  for (let at = 0; at < seconds; at = (performance.now() - began) / 1000) {
    for (; due < at * rate; due += 1) begin();
    if (at >= sampled) {
      sampled += every_s;
      await sample?.();
    }
    await sleep(5);
  }
  await Promise.all(running);
}

const until = async (holds, within_ms) => {
  const end = performance.now() + within_ms;
  while (!(await holds()) && performance.now() < end) await sleep(200);
};

const seconds = minutes * 60;
const warm_s = Math.max(5, Math.min(300, seconds / 4));
await underLoad(warm_s);
agent.destroy();
await sleep(6000);
const pids = await processes();
const before = new Map(pids.map((pid) => [pid, descriptors(pid)]));
const seen = new Map(pids.map((pid) => [pid, []]));
await underLoad(seconds, () => {
  for (const pid of pids) seen.get(pid).push(residentMb(pid));
});
agent.destroy();

const gates = [];
const gate = (name, holds, told) => gates.push({ name, holds, told: String(told) });
gate('every call ends as it should', wrong.length === 0, wrong.slice(0, 3).join('; ') || `${made} calls`);
gate('the processes are the same', (await processes()).join() === pids.join(), pids.length);
for (const [index, pid] of pids.entries()) {
  const name = index === 0 ? 'primary' : `worker ${index}`;
  const samples = seen.get(pid);
  const third = Math.ceil(samples.length / 3);
  const [early, late] = [median(samples.slice(0, third)), median(samples.slice(-third))];
  const holds = late - early <= Math.max(growth_mb_floor, (early * growth_max) / 100);
  gate(`${name}: memory is flat`, holds, `${early.toFixed(0)} MB, then ${late.toFixed(0)} MB`);
  const slack = 4;
  await until(() => descriptors(pid) <= before.get(pid) + slack, 30_000);
  const left = descriptors(pid);
  gate(`${name}: no descriptors are left`, left <= before.get(pid) + slack, `${before.get(pid)}, then ${left}`);
}
const held = async () => (await ask('/admin/v1/budgets')).budgets.filter(({ held_usd = 0 }) => held_usd !== 0);
await until(async () => (await held()).length === 0, 4 * lease_ms);
gate('nothing is held', (await held()).length === 0, JSON.stringify(await held()));
const { drift } = await ask('/admin/v1/budgets/reconcile', 'POST');
gate('counters agree with their entries', drift.length === 0, JSON.stringify(drift));
await until(async () => (await ask('/admin/v1/health')).audit.waiting === 0, 30_000);
const text = await (await fetch(`${metrics}/metrics`)).text();
const inflight = /^llm_gateway_inflight (\d+)$/m.exec(text)?.[1];
gate('no call is under way', inflight === '0', inflight);

const ended = new Promise((resolve) => gateway.child.once('exit', resolve));
gateway.child.kill('SIGTERM');
gate('it ends with 0', (await ended) === 0, '');
const verified = spawnSync(
  process.execPath,
  [
    program,
    'audit',
    'verify',
    '--path',
    join(directory, 'data', 'audit'),
    '--data',
    join(directory, 'data', 'spool'),
    '--json',
  ],
  { encoding: 'utf8', env: { ...process.env, ...env }, maxBuffer: 1 << 28 },
);
const trail = JSON.parse(verified.stdout);
gate('the trail holds', trail.ok, JSON.stringify(trail.problems.slice(0, 2)));
gate('every call has its one record', trail.records === made, `${trail.records} records of ${made} calls`);

const client = new Redis(redis.url);
const jobs = await client.keys('llm:queue:*');
// A queue for each process, with its last 200 jobs.
gate('the queues keep little in Redis', jobs.length <= 225 * (workers + 1), `${jobs.length} keys`);
client.disconnect();
provider.stop();
await redis.stop();
rmSync(directory, { recursive: true, force: true });
console.log(`\n${table([['call', 'times'], ...counts])}\n`);
console.log(table([['gate', '', ''], ...gates.map(({ name, holds, told }) => [name, holds ? 'ok' : 'FAILED', told])]));
const ok = gates.every(({ holds }) => holds);
console.log(`\n${JSON.stringify({ bench: 'soak', minutes, workers, mode: values.mode, calls: made, ok, gates })}`);
process.exit(ok ? 0 : 1);
