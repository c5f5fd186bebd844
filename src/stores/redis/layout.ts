import type { Cluster, Redis } from 'ioredis';

/** Of keys, hashes and holds as this program writes them. */
const layout = '2';

/**
 * Two programs that understand the same keys differently would spend one another's money wrongly: the first one writes
 * down which layout it uses, and everyone of another one refuses to start. Throws an `Error` that says so.
 */
export async function checkLayout(redis: Redis | Cluster, prefix: string): Promise<void> {
  const key = `${prefix}layout`;
  await redis.set(key, layout, 'NX');
  const found = await redis.get(key);
  if (found === layout) return;
  const newer = Number(found) > Number(layout);
  throw new Error(
    `Redis holds a ledger of layout ${found} under '${prefix}', and this program writes layout ${layout}: ` +
      (newer
        ? 'a newer version runs on this Redis. Upgrade this one, or give it a key_prefix of its own.'
        : 'stop the older version everywhere, then give this one a key_prefix of its own.'),
  );
}
