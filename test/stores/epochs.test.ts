import { afterEach, expect, test } from 'vitest';
import { LedgerUnavailable } from '../../src/stores/index.ts';
import { Epochs } from '../../src/stores/redis/epoch.ts';
import type { Line } from '../../src/stores/redis/line.ts';
import { scripts } from '../../src/stores/redis/scripts.ts';

const opened: Epochs[] = [];
afterEach(async () => {
  for (const epochs of opened.splice(0)) await epochs.close();
});

type Run = (script: unknown, keys: readonly string[]) => unknown;

/** Over a Redis that answers as this does. */
function over(run: Run): Epochs {
  const line = { lost: false, proved: () => {}, run: async (...asked: Parameters<Run>) => run(...asked) };
  const epochs = new Epochs({
    line: line as unknown as Line,
    prefix: 'llm:',
    me: 'me',
    lease_ms: 1_000,
    young_ms: 0,
    deadline_ms: 10_000,
    notice: () => {},
    assert: async () => '',
  });
  opened.push(epochs);
  return epochs;
}

test('what is asked while many gateways come one after the other is done when they have come', async () => {
  let [came, asked] = [0, 0];
  const epochs = over((script) => {
    if (script === scripts.meet) return [0, 1, 'token', ++came, 'me'];
    return ++asked < 50 ? [-1, 1] : [0, 1];
  });
  expect(await epochs.run(scripts.turn, 'acme', [], [])).toEqual([0, 1]);
});

test('is refused where they come for longer than a verb may take, and nothing is said to be lost', async () => {
  let came = 0;
  const epochs = over((script) => (script === scripts.meet ? [0, 1, 'token', ++came, 'me'] : [-1, 1]));
  const asked = epochs.run(scripts.turn, 'acme', [], [], { deadline_ms: 20 });
  await expect(asked).rejects.toThrow(LedgerUnavailable);
  await expect(asked).rejects.toThrow('gateways come to Redis faster than they can be met');
});

test('a meeting that was answered before the connection changed lets nobody pass: it is met again', async () => {
  let [meetings, permits] = [0, [] as string[]];
  const epochs = over((script, keys) => {
    if (script !== scripts.meet) {
      permits.push(String(keys.at(-1)));
      return [0, 1];
    }
    meetings += 1;
    // Of a Cluster whose slots turn out to be elsewhere while the node that had them answers.
    if (meetings === 1) epochs.forget();
    return [0, 1, 'token', meetings, 'me'];
  });
  await epochs.run(scripts.turn, 'acme', [], []);
  expect(permits).toEqual(['llm:{acme}:epoch:token:2']);
});
