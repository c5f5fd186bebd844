// `node bench/against.mjs CHECKOUT [keys|everything|redis|leased] [RATE]`: this build's gateway against another checkout's, both built, in
// interleaved rounds beside the bare floor: CPU microseconds a call of the main thread and of all others, at saturation or at RATE
// arrivals a second. Each gateway has a Redis of its own.
import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { callBytes, expect, startFloor, startGateway } from './call.mjs';
import { here, load, median, pacedLoad, residentMb, start, table } from './rig.mjs';

const [other, mode = 'keys', rate_text] = process.argv.slice(2);
if (other === undefined) throw new Error('name the other checkout');
const rate = rate_text === undefined ? undefined : Number(rate_text);
const rounds = Number(process.env.BENCH_ROUNDS ?? 7);
const calls = Number(process.env.BENCH_CALLS ?? (rate === undefined ? 4000 : rate * 2));

const provider = await start(1, join(here, 'provider.mjs'));
const targets = [
  ['floor', await startFloor(provider)],
  ['other', await startGateway(mode, provider, {}, join(resolve(other), 'bench', 'gateway.mjs'))],
  ['this', await startGateway(mode, provider)],
];
function round(target, count, paced = rate) {
  const bytes = callBytes(target);
  return paced === undefined
    ? load(target.address, { bytes, connections: 32, calls: count, expect })
    : pacedLoad(target.address, { bytes, calls: count, rate: paced, expect });
}

/** Microseconds on a core so far, by the kernel's own count: the main thread and all others. */
function spent(pid) {
  const sums = [0, 0];
  for (const task of readdirSync(`/proc/${pid}/task`)) {
    const [ns] = readFileSync(`/proc/${pid}/task/${task}/schedstat`, 'utf8').split(' ');
    sums[Number(task) === pid ? 0 : 1] += Number(ns) / 1000;
  }
  return sums;
}

for (const [, target] of targets) await round(target, 20_000, undefined);
const seen = new Map(targets.map(([name]) => [name, { main: [], rest: [], all: [] }]));
for (let index = 0; index < rounds; index += 1) {
  for (const [name, target] of targets) {
    const before = spent(target.pid);
    await round(target, calls);
    const after = spent(target.pid);
    const [main, rest] = after.map((us, at) => (us - before[at]) / calls);
    seen.get(name).main.push(main);
    seen.get(name).rest.push(rest);
    seen.get(name).all.push(main + rest);
  }
}
const floor = median(seen.get('floor').all);
const rows = [['target', 'main us', 'others us', 'all us', 'x floor', 'lowest', 'MB']];
for (const [name, target] of targets) {
  const { main, rest, all } = seen.get(name);
  rows.push([
    name,
    ...[median(main), median(rest), median(all)].map((us) => us.toFixed(0)),
    (median(all) / floor).toFixed(2),
    Math.min(...all).toFixed(0),
    residentMb(target.pid).toFixed(0),
  ]);
}
console.log(`${mode}, ${rate === undefined ? 'saturated' : `${rate} arrivals a second`}`);
console.log(table(rows));
for (const [, target] of targets) await target.stop();
await provider.stop();
