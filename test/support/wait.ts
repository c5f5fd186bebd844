import { setTimeout as sleep } from 'node:timers/promises';

/** Asks again until the answer is yes; what throws counts as no. Rejects after `within_ms`. */
export async function eventually(condition: () => boolean | Promise<boolean>, within_ms = 40_000): Promise<void> {
  const end = performance.now() + within_ms;
  let last: unknown;
  while (performance.now() < end) {
    try {
      if (await condition()) return;
    } catch (error) {
      last = error;
    }
    await sleep(20);
  }
  throw new Error(`it did not happen within ${within_ms} ms`, { cause: last });
}
