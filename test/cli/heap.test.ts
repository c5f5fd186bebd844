import { expect, test } from 'vitest';
import { leaveStartBehind } from '../../src/gateway/heap.ts';

/** Something large that nobody holds any more, after a few young collections have moved it to the old generation. */
async function left(): Promise<WeakRef<object>> {
  let large: object[] = Array.from({ length: 200_000 }, (_, number) => ({ number }));
  const seen = new WeakRef(large);
  for (let round = 0; round < 30; round += 1) Array.from({ length: 100_000 }, (_, number) => ({ number }));
  large = [];
  expect(large).toEqual([]);
  await new Promise((later) => setImmediate(later));
  return seen;
}

test('what starting left behind is let go of, and nobody else may collect', async () => {
  const seen = await left();
  leaveStartBehind();
  expect(seen.deref()).toBeUndefined();
  expect('gc' in globalThis).toBe(false);
});
