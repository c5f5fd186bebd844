// `node bench/allocations.mjs [floor|keys|everything|redis|leased]`: what a call allocates in the heap, in bytes, and who does. Unlike a time it
// is the same on a busy machine. By the function of ours that is nearest on the stack (BENCH_TOP of them), then by the function
// itself. Of what is allocated a collection copies what is still in use, so what waits for something costs most; BENCH_LIVE=1 shows
// what is kept for good. BENCH_GATEWAY names another checkout's bench/gateway.mjs.
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { callBytes, expect, startFloor, startGateway } from './call.mjs';
import { here, load, start } from './rig.mjs';

const mode = process.argv[2] ?? 'keys';
const top = Number(process.env.BENCH_TOP ?? 50);
const calls = Number(process.env.BENCH_CALLS ?? 8000);
const gateway = process.env.BENCH_GATEWAY ?? join(here, 'gateway.mjs');
const directory = mkdtempSync(join(tmpdir(), 'llm-policy-allocations-'));
const file = join(directory, 'profile.json');

const provider = await start(1, join(here, 'provider.mjs'));
const env = { NODE_OPTIONS: `--import ${join(here, 'allocated.mjs')}`, BENCH_PROFILE: file };
const target = await (mode === 'floor' ? startFloor(provider, env) : startGateway(mode, provider, env, gateway));
const bytes = callBytes(target);
const round = (count) => load(target.address, { bytes, connections: 32, calls: count, expect });
const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

await round(12_000);
process.kill(target.pid, 'SIGUSR2');
await wait(300);
await round(calls);
process.kill(target.pid, 'SIGUSR2');
while (!existsSync(file) || readFileSync(file).length === 0) await wait(100);
await wait(500);

const byOwn = new Map();
const byFunction = new Map();
let total = 0;
const add = (sums, name, size) => sums.set(name, (sums.get(name) ?? 0) + size);
function walk(node, above) {
  const { functionName, url, lineNumber } = node.callFrame;
  const name = `${functionName || '(anonymous)'} ${url.replace(/.*\/(dist|node_modules)\//, '')}:${lineNumber + 1}`;
  const own = /\/dist\//.test(url) && !/node_modules/.test(url) ? name : above;
  total += node.selfSize;
  add(byFunction, name, node.selfSize);
  add(byOwn, own ?? `(nobody of ours) ${name}`, node.selfSize);
  for (const child of node.children) walk(child, own);
}
walk(JSON.parse(readFileSync(file, 'utf8')).head, undefined);
const show = (title, sums) => {
  console.log(title);
  for (const [name, size] of [...sums].sort((a, b) => b[1] - a[1]).slice(0, top))
    console.log(`${(size / calls).toFixed(0).padStart(8)}  ${name}`);
};
console.log(`${mode}: ${(total / calls / 1024).toFixed(1)} KB a call`);
show('-- bytes a call, by our nearest function', byOwn);
show('-- bytes a call, by function', byFunction);
await target.stop();
await provider.stop();
rmSync(directory, { recursive: true, force: true });
