// `node bench/pieces.mjs [keys|everything|redis|leased]`: where a call's CPU goes. The real gateway at saturation, sampled, and every sample
// given to the piece whose code is nearest to it on the stack; beside it the bare floor, sampled the same way. Microseconds of
// the main thread a call; what other threads and the kernel's share of them cost is the difference to the whole.
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { callBytes, expect, startFloor, startGateway } from './call.mjs';
import { cpuSeconds, here, load, median, start, table } from './rig.mjs';

const mode = process.argv[2] ?? 'keys';
const rounds = Number(process.env.BENCH_ROUNDS ?? 3);
const calls = Number(process.env.BENCH_CALLS ?? 4000);
const warm_up = Number(process.env.BENCH_WARM ?? 8000);

/** A piece and the files (or `file:function`) whose samples are its own; the first that fits, from the top of the stack down. */
const pieces = [
  ['garbage collection', /^\(garbage collector\)$/],
  ['idle', /^\(idle\)$/],
  [
    'admit: ledger',
    /dist\/stores\/|dist\/pipeline\/(admit|fitted|waiting|budget-alerts|call-limits|lease|affordable|estimate)/,
  ],
  ['settle', /dist\/pipeline\/settle/],
  ['record and trail', /dist\/observe\/(trail|record)|dist\/pipeline\/record/],
  ['metrics', /dist\/observe\/metrics|handle\.js:measure/],
  ['identify', /dist\/callers\/|dist\/pipeline\/identify/],
  ['read', /dist\/formats\/.*(request|view|passages|fields|json)|dist\/pipeline\/read\./],
  ['inspect', /dist\/rails\/|dist\/pipeline\/(inspect|redact)/],
  ['facts and decide', /dist\/policy\/|dist\/pipeline\/(decide|facts|money-facts|labels|plan)/],
  ['reply: headers', /dist\/pipeline\/reply-headers/],
  ['reply', /dist\/pipeline\/(guard|reply|hold|upstream)|dist\/formats\//],
  ['outlet', /dist\/surfaces\/http\/outlet/],
  ['attempt: transport', /dist\/providers\/|node_modules\/undici/],
  ['attempt', /dist\/pipeline\/attempt|dist\/pipeline\/encode/],
  ['surface: fastify', /node_modules\/(fastify|find-my-way|avvio|@fastify|secure-json-parse|fast)/],
  ['surface: ours', /dist\/surfaces\//],
  ['walk: accept and glue', /dist\/pipeline\//],
  ['node: http server', /node:_http|node:internal\/(http|streams)|node:http/],
  ['node: net and streams', /node:(net|internal\/stream_base_commons|stream)/],
  ['node: timers', /node:internal\/timers|node:timers/],
  ['node: fs', /node:(fs|internal\/fs)/],
  ['node: other', /^node:/],
];

function shares(profile) {
  const parents = new Map();
  const nodes = new Map(profile.nodes.map((node) => [node.id, node]));
  for (const node of profile.nodes) for (const child of node.children ?? []) parents.set(child, node.id);
  const known = new Map();
  const pieceOf = (id) => {
    const found = known.get(id);
    if (found !== undefined) return found;
    let piece;
    const { functionName, url } = nodes.get(id).callFrame;
    // What starts and stops the profile is no call's.
    if (url === '' && functionName === 'dispatch') return 'idle';
    const at = url === '' ? functionName : `${url}:${functionName}`;
    // Node's own code belongs to whoever of ours called it; only where nobody of ours did it is Node's.
    const own = pieces.find(([, form]) => form.test(at))?.[0];
    if (own !== undefined && !own.startsWith('node:')) piece = own;
    else {
      const parent = parents.get(id);
      const above = parent === undefined ? undefined : pieceOf(parent);
      piece = above === undefined || above.startsWith('node:') || above === 'other' ? (own ?? above ?? 'other') : above;
    }
    known.set(id, piece);
    return piece;
  };
  const sum = new Map();
  const functions = new Map();
  profile.samples.forEach((id, index) => {
    const us = profile.timeDeltas[index] ?? 0;
    const piece = pieceOf(id);
    sum.set(piece, (sum.get(piece) ?? 0) + us);
    const { functionName, url, lineNumber } = nodes.get(id).callFrame;
    const name = `${functionName || '(anonymous)'} ${url.replace(/.*\/(dist|node_modules)\//, '')}:${lineNumber + 1}`;
    functions.set(name, (functions.get(name) ?? 0) + us);
  });
  return { sum, functions };
}

const directory = mkdtempSync(join(tmpdir(), 'llm-policy-pieces-'));
const provider = await start(1, join(here, 'provider.mjs'));
const hook = (name) => ({
  NODE_OPTIONS: `--import ${join(here, 'profiled.mjs')}`,
  BENCH_PROFILE: join(directory, `${name}.cpuprofile`),
});
const targets = [
  ['floor', await startFloor(provider, hook('floor'))],
  ['gateway', await startGateway(mode, provider, hook('gateway'))],
];
const round = (target, count) =>
  load(target.address, { bytes: callBytes(target), connections: 32, calls: count, expect });
const whole = new Map(targets.map(([name]) => [name, []]));
for (const [, target] of targets) await round(target, warm_up);
for (let index = 0; index < rounds; index += 1) {
  for (const [name, target] of targets) {
    const before = cpuSeconds(target.pid);
    await round(target, calls);
    whole.get(name).push(((cpuSeconds(target.pid) - before) / calls) * 1e6);
  }
}
const rows = [['piece', 'us a call']];
for (const [name, target] of targets) {
  process.kill(target.pid, 'SIGUSR2');
  await new Promise((resolve) => setTimeout(resolve, 200));
  await round(target, calls * 2);
  process.kill(target.pid, 'SIGUSR2');
  const file = join(directory, `${name}.cpuprofile`);
  while (!existsSync(file) || readFileSync(file).length === 0) await new Promise((resolve) => setTimeout(resolve, 100));
  await new Promise((resolve) => setTimeout(resolve, 300));
  const { sum, functions } = shares(JSON.parse(readFileSync(file, 'utf8')));
  rows.push([`-- ${name}, all threads, unsampled`, median(whole.get(name)).toFixed(0)]);
  let total = 0;
  for (const [piece, us] of [...sum].sort((a, b) => b[1] - a[1])) {
    if (piece !== 'idle') total += us;
    rows.push([piece, (us / (calls * 2)).toFixed(1)]);
  }
  rows.push(['   sampled, without idle', (total / (calls * 2)).toFixed(0)]);
  if (process.env.BENCH_TOP !== undefined)
    for (const [name2, us] of [...functions].sort((a, b) => b[1] - a[1]).slice(0, Number(process.env.BENCH_TOP)))
      rows.push([`   . ${name2}`, (us / (calls * 2)).toFixed(2)]);
}
console.log(table(rows));
if (process.env.BENCH_KEEP === undefined) rmSync(directory, { recursive: true, force: true });
else console.log(directory);
for (const [, target] of targets) await target.stop();
await provider.stop();
