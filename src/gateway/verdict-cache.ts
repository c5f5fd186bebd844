import { createHash } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import type { WasmAnswer } from '../policy/index.ts';
import type { SharedVerdicts } from './shared-verdicts.ts';

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
  /** What other gateways know, for questions that ask for it. */
  readonly shared?: SharedVerdicts | undefined;
}

/** How long a verdict may be used again, and whether by other gateways too. */
export interface Keeping {
  readonly ttl_ms: number;
  readonly shared: boolean;
}

export type Verdict = Exclude<WasmAnswer, { readonly unable: string }>;

/** What an entry takes beside its reason: its key, and what the list around it holds. */
const entry_bytes = 256;

/**
 * Verdicts that were said lately, for a time and within bounds. Equal questions at one time are asked once. What a module
 * could not tell is not kept, and what was said for one tenant is not told another. An input is kept as its hash alone.
 */
export class VerdictCache {
  readonly #known: LRUCache<string, Verdict>;
  readonly #asked = new Map<string, Promise<WasmAnswer>>();
  readonly #shared: SharedVerdicts | undefined;

  constructor({ bytes_max = 16 * 1024 * 1024, now = () => performance.now(), shared }: VerdictCacheOptions = {}) {
    this.#shared = shared;
    this.#known = new LRUCache<string, Verdict>({
      maxSize: bytes_max,
      sizeCalculation: ({ reason = '' }) => entry_bytes + 2 * reason.length,
      perf: { now },
      ttlResolution: 0,
    });
  }

  /** The verdict on a question: one that was kept, or what `ask` says. */
  answer(
    question: VerdictQuestion,
    keeping: Keeping,
    ask: () => Promise<WasmAnswer>,
  ): WasmAnswer | Promise<WasmAnswer> {
    const key = keyOf(question);
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    const asked = this.#asked.get(key);
    if (asked !== undefined) return asked;
    const asking = this.#ask(key, keeping, ask);
    this.#asked.set(key, asking);
    return asking;
  }

  async #ask(key: string, { ttl_ms, shared }: Keeping, ask: () => Promise<WasmAnswer>): Promise<WasmAnswer> {
    const others = shared ? this.#shared : undefined;
    try {
      const told = others === undefined ? undefined : await others.get(key);
      if (told !== undefined) {
        const known: Verdict = { ...told.verdict, cached: true };
        this.#known.set(key, known, { ttl: Math.min(told.left_ms, ttl_ms) });
        return known;
      }
      const answer = await ask();
      if (!('unable' in answer)) {
        this.#known.set(key, { ...answer, cached: true }, { ttl: ttl_ms });
        others?.put(key, answer, ttl_ms);
      }
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
