import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { redisBinary } from '../support/redis.ts';

const soak = fileURLToPath(new URL('../../bench/soak.mjs', import.meta.url));

interface Outcome {
  readonly ok: boolean;
  readonly calls: number;
  readonly gates: readonly { readonly name: string; readonly holds: boolean; readonly told: string }[];
}

/** A soak of so many minutes; memory may settle a little where the time is short. */
function soaked(minutes: number): Promise<Outcome> {
  const args = [soak, '--built', '--minutes', String(minutes), '--rate', '40', '--growth', '40'];
  const child = spawn(process.execPath, args, { env: { ...process.env, REDIS_SERVER: redisBinary() } });
  let out = '';
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (bytes) => {
      out += bytes;
    });
  return new Promise((resolve, reject) => {
    child.once('exit', () => {
      const line = out.split('\n').find((one) => one.startsWith('{"bench":"soak"'));
      if (line === undefined) reject(new Error(out));
      else resolve(JSON.parse(line) as Outcome);
    });
  });
}

test('a soak in its short form: memory flat, no descriptors left, nothing held, no drift, a record for each call', async () => {
  const { ok, calls, gates } = await soaked(0.15);
  expect(gates.filter(({ holds }) => !holds)).toEqual([]);
  expect(gates.map(({ name }) => name)).toContain('every call has its one record');
  expect(calls).toBeGreaterThan(200);
  expect(ok).toBe(true);
}, 180_000);
