import { setTimeout as sleep } from 'node:timers/promises';
import { parentPort, workerData } from 'node:worker_threads';
import { Redis } from 'ioredis';

/** Looks at a budget's hash every few milliseconds, whatever its own process is busy with, and tells what it saw. */
const { port, key, pause_ms } = workerData;
const client = new Redis(port, '127.0.0.1', { maxRetriesPerRequest: null });
client.on('error', () => {});
const seen = { samples: 0, most: 0, leased_most: 0, held_most: 0, wrong: [] };
let over = false;
parentPort.once('message', () => {
  over = true;
});
parentPort.postMessage(seen);
while (!over) {
  const [spent, held, leased] = (await client.hmget(key, 'spent', 'held', 'leased')).map((field) => Number(field ?? 0));
  seen.samples += 1;
  seen.most = Math.max(seen.most, spent + held);
  seen.held_most = Math.max(seen.held_most, held);
  seen.leased_most = Math.max(seen.leased_most, leased);
  if ((spent < 0 || held < 0 || leased < 0 || leased > held) && seen.wrong.length < 10)
    seen.wrong.push({ spent, held, leased });
  await sleep(pause_ms);
}
client.disconnect();
parentPort.postMessage(seen);
