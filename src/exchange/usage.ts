/**
 * Tokens of one exchange, by kind, in canonical form (WIRE.md section 6): `input` includes cached reads and cache
 * writes, `output` includes reasoning. A missing field is unknown; zero is a number.
 */
export interface Usage {
  readonly input?: number;
  readonly output?: number;
  /** Part of `input`. */
  readonly cacheRead?: number;
  /** Part of `input`. */
  readonly cacheWrite?: number;
  /** Part of `cacheWrite`: the share kept for an hour (Anthropic bills it apart). */
  readonly cacheWrite1h?: number;
  /** Part of `output`. */
  readonly reasoning?: number;
  /** Part of `input`. */
  readonly audioInput?: number;
  /** Part of `input`. */
  readonly imageInput?: number;
  /** Part of `output`. */
  readonly audioOutput?: number;
  /** Hosted tools billed by the call, by name (for example `web_search`). */
  readonly toolCalls?: Readonly<Record<string, number>>;
  readonly serviceTier?: string;
  /** Where the model ran, in the format's own word. */
  readonly inferenceGeo?: string;
}

/** Later reports win field by field: providers repeat usage cumulatively, so adding would count twice. */
export function mergeUsage(earlier: Usage | undefined, later: Usage): Usage {
  return earlier === undefined ? later : { ...earlier, ...later };
}
