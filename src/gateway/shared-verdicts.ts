import type { SharedCache } from '../stores/index.ts';
import type { Verdict } from './verdict-cache.ts';

/** Verdicts of gateways that have the same secret. */
export interface SharedVerdicts {
  /** A verdict and for how many ms it holds yet. Undefined where there is none, or not in time. Never rejects. */
  get(key: string): Promise<{ readonly verdict: Verdict; readonly left_ms: number } | undefined>;
  put(key: string, verdict: Verdict, ttl_ms: number): void;
}

/**
 * Verdicts in a cache that others can write to: each stands under a name that only who has the secret can make, and with a
 * seal over its question, its end and itself. What is not sealed so counts as not there.
 */
export function sharedVerdicts(
  cache: SharedCache,
  keyedHash: (text: string) => string,
  clock: () => number,
): SharedVerdicts {
  const nameOf = (key: string): string => keyedHash(`the name of the verdict on ${key}`);
  const sealOf = (key: string, body: string): string => keyedHash(`the seal of the verdict on ${key}: ${body}`);
  return {
    async get(key) {
      const text = (await cache.get(nameOf(key))) ?? '';
      const at = text.indexOf('\n');
      const body = text.slice(at + 1);
      if (at < 0 || text.slice(0, at) !== sealOf(key, body)) return undefined;
      const { until_ms, match, reason } = JSON.parse(body) as { until_ms: number; match: boolean; reason?: string };
      const left_ms = until_ms - clock();
      return left_ms <= 0 ? undefined : { left_ms, verdict: reason === undefined ? { match } : { match, reason } };
    },
    put(key, { match, reason }, ttl_ms) {
      const body = JSON.stringify({ until_ms: clock() + ttl_ms, match, reason });
      cache.put(nameOf(key), `${sealOf(key, body)}\n${body}`, ttl_ms);
    },
  };
}
