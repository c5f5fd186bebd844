import { createHash } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import type { WasmAnswer } from '../policy/index.ts';

/** What a verdict was said of: the module by its hash, its input as JSON, and for whom. */
export interface VerdictQuestion {
  readonly tenant: string;
  readonly module: string;
  readonly input: string;
}

export interface VerdictCacheOptions {
  /** Of all that is kept. Default 16 MiB. */
  readonly bytes_max?: number;
  /** Monotonic ms. */
  readonly now?: () => number;
}

type Verdict = Exclude<WasmAnswer, { readonly unable: string }>;

/** What an entry takes beside its reason: its key, and what the list around it holds. */
const entry_bytes = 256;

/**
 * Verdicts that were said lately, for a time and within bounds. Equal questions at one time are asked once. What a module
 * could not tell is not kept, and what was said for one tenant is not told another. An input is kept as its hash alone.
 */
export class VerdictCache {
  readonly #known: LRUCache<string, Verdict>;
  readonly #asked = new Map<string, Promise<WasmAnswer>>();

  constructor({ bytes_max = 16 * 1024 * 1024, now = () => performance.now() }: VerdictCacheOptions = {}) {
    this.#known = new LRUCache<string, Verdict>({
      maxSize: bytes_max,
      sizeCalculation: ({ reason = '' }) => entry_bytes + 2 * reason.length,
      perf: { now },
      ttlResolution: 0,
    });
  }

  /** The verdict on a question: one that is at most `ttl_ms` old, or what `ask` says. */
  answer(question: VerdictQuestion, ttl_ms: number, ask: () => Promise<WasmAnswer>): WasmAnswer | Promise<WasmAnswer> {
    const key = keyOf(question);
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    const asked = this.#asked.get(key);
    if (asked !== undefined) return asked;
    const asking = this.#ask(key, ttl_ms, ask);
    this.#asked.set(key, asking);
    return asking;
  }

  async #ask(key: string, ttl_ms: number, ask: () => Promise<WasmAnswer>): Promise<WasmAnswer> {
    try {
      const answer = await ask();
      if (!('unable' in answer)) this.#known.set(key, { ...answer, cached: true }, { ttl: ttl_ms });
      return answer;
    } finally {
      this.#asked.delete(key);
    }
  }
}

/** Each part with its length, so that no two questions run into the same text. */
function keyOf({ tenant, module, input }: VerdictQuestion): string {
  return createHash('sha256').update(`${tenant.length}:${tenant}${module}${input}`).digest('base64url');
}
