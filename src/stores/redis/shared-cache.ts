import type { SharedCache } from '../shared-cache.ts';
import { clientOf, type RedisPlace } from './connect.ts';
import { Line } from './line.ts';

export interface RedisSharedCacheOptions extends RedisPlace {
  readonly keyPrefix: string;
  /** A command not answered by then is a miss. */
  readonly deadline_ms: number;
}

const connect_timeout_ms = 2_000;
/** Commands under way; one more is a miss. */
const in_flight_max = 1_000;
/** Longer texts are none that this wrote. */
const text_max = 8_192;

/** A cache in Redis, under `<prefix>:cache:<key>`. It connects when it is first asked. */
export function openRedisSharedCache(options: RedisSharedCacheOptions): SharedCache {
  const { keyPrefix, deadline_ms } = options;
  let line: Line | undefined;
  let closed = false;
  const opened = (): Line | undefined => {
    if (line !== undefined || closed) return line;
    const client = clientOf(options, { connect_timeout_ms });
    client.on('error', () => {});
    line = new Line(client, { deadline_ms, in_flight_max, onState: () => {} });
    client.connect().catch(() => {});
    return line;
  };
  const keyOf = (key: string): string => `${keyPrefix}:cache:${key}`;
  return {
    async get(key) {
      try {
        const text = await opened()?.call('get', [keyOf(key)], deadline_ms);
        return typeof text === 'string' && text.length <= text_max ? text : undefined;
      } catch {
        return undefined;
      }
    },
    put(key, text, ttl_ms) {
      if (text.length > text_max || ttl_ms < 1) return;
      opened()
        ?.call('set', [keyOf(key), text, 'PX', Math.floor(ttl_ms)], deadline_ms)
        .catch(() => {});
    },
    async close() {
      closed = true;
      line?.close();
    },
  };
}
