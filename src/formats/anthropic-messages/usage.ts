import type { Usage } from '../../exchange/index.ts';
import { isObject, type JsonObject } from '../json/index.ts';

/** The name of the tier that `speed: fast` is: prices know it by that. */
export const fastTier = 'fast';

const counted = ['input_tokens', 'output_tokens', 'cache_read_input_tokens', 'cache_creation_input_tokens'] as const;

/**
 * What was billed: where a reply was made in several steps (a conversation made shorter first), the numbers at the top are
 * not all of it, and those of the steps are (Anthropic, compaction, "understanding usage", 2026-10).
 */
function billed(told: JsonObject): JsonObject {
  const { iterations } = told;
  if (!Array.isArray(iterations) || iterations.length === 0) return told;
  const steps = iterations.filter(isObject);
  const whole: Record<string, unknown> = { ...told };
  for (const field of counted) {
    const all = sumOf(steps.map((step) => step[field]));
    const top = told[field];
    if (all !== undefined && (!isCount(top) || all > top)) whole[field] = all;
  }
  const hours = steps.map(({ cache_creation: parts }) =>
    isObject(parts) ? parts.ephemeral_1h_input_tokens : undefined,
  );
  const hour = sumOf(hours);
  const creation = isObject(told.cache_creation) ? told.cache_creation : {};
  if (hour !== undefined) whole.cache_creation = { ...creation, ephemeral_1h_input_tokens: hour };
  return whole;
}

/** Of the counts among these; undefined where there is none. */
function sumOf(values: readonly unknown[]): number | undefined {
  const counts = values.filter(isCount);
  return counts.length === 0 ? undefined : counts.reduce((sum, one) => sum + one, 0);
}

type Field = 'input' | 'read' | 'write' | 'write1h' | 'output' | 'thinking';

/**
 * Usage as it is told over a stream: cumulative, field by field, so the last number of each field counts; null says
 * nothing. The wire's input excludes the cache. Providers that imitate the format may tell an inclusive input first and
 * an exclusive one in the end: with the last number of every field the sum comes out right.
 */
export class UsageSoFar {
  #last: Partial<Record<Field, number>> = {};
  #hosted: Record<string, number> | undefined;
  #tier: string | undefined;
  #speed: string | undefined;
  #geo: string | undefined;

  /** Takes in one `usage` object; the canonical usage so far. */
  add(object: JsonObject): Usage {
    const told = billed(object);
    const before = this.#last;
    this.#last = { ...before };
    this.#note('input', told.input_tokens);
    this.#note('output', told.output_tokens);
    this.#note('read', told.cache_read_input_tokens);
    const creation = told.cache_creation;
    if (isObject(creation)) {
      this.#note('write1h', creation.ephemeral_1h_input_tokens);
      const write = sumOf([creation.ephemeral_5m_input_tokens, creation.ephemeral_1h_input_tokens]);
      if (write !== undefined) this.#last.write = write;
    }
    this.#note('write', told.cache_creation_input_tokens);
    // Input does not vanish: some who imitate the format tell 0 of it at the end, where it stands for nothing new.
    if (inputOf(this.#last) === 0 && inputOf(before) > 0) {
      const { input, read, write, write1h } = before;
      Object.assign(this.#last, { input, read, write, write1h });
    }
    const details = told.output_tokens_details;
    if (isObject(details)) this.#note('thinking', details.thinking_tokens);
    if (isObject(told.server_tool_use)) this.#hostedTools(told.server_tool_use);
    if (typeof told.service_tier === 'string') this.#tier = told.service_tier;
    if (typeof told.speed === 'string') this.#speed = told.speed;
    if (typeof told.inference_geo === 'string') this.#geo = told.inference_geo;
    return this.#canonical();
  }

  /** A hosted tool was called since usage was told last: it is paid for though the reply may break off before that is told. */
  ran(tool: string): Usage {
    this.#hosted = { ...this.#hosted, [tool]: (this.#hosted?.[tool] ?? 0) + 1 };
    return this.#canonical();
  }

  #note(field: Field, value: unknown): void {
    if (isCount(value)) this.#last[field] = value;
  }

  #hostedTools(told: JsonObject): void {
    for (const [key, value] of Object.entries(told)) {
      if (!isCount(value)) continue;
      this.#hosted = { ...this.#hosted, [key.replace(/_requests$/, '')]: value };
    }
  }

  #canonical(): Usage {
    const { input, output, read, write, write1h, thinking } = this.#last;
    // What ran fast has prices of its own; what was asked to and did not has those of any other.
    const tier = this.#speed === fastTier ? fastTier : (this.#tier ?? this.#speed);
    return {
      ...(input === undefined ? {} : { input: inputOf(this.#last) }),
      ...(output === undefined ? {} : { output }),
      ...(read === undefined ? {} : { cacheRead: read }),
      ...(write === undefined ? {} : { cacheWrite: write }),
      ...(write1h === undefined ? {} : { cacheWrite1h: write1h }),
      ...(thinking === undefined ? {} : { reasoning: thinking }),
      ...(this.#hosted === undefined ? {} : { toolCalls: this.#hosted }),
      ...(tier === undefined ? {} : { serviceTier: tier }),
      ...(this.#geo === undefined ? {} : { inferenceGeo: this.#geo }),
    };
  }
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value) && value >= 0;
}

/** All input, with what the wire counts beside it. */
function inputOf({ input = 0, read = 0, write = 0 }: Partial<Record<Field, number>>): number {
  return input + read + write;
}

/** The tiers this format knows, by the names other formats have for them. */
const tiers: Readonly<Record<string, string>> = {
  standard: 'standard',
  default: 'standard',
  priority: 'priority',
  batch: 'batch',
};

/** Usage in the words of the format; only what is known. */
export function usageBody(usage: Usage): JsonObject {
  const { input, output, cacheRead, cacheWrite, cacheWrite1h, reasoning, serviceTier, toolCalls } = usage;
  const tier = serviceTier === undefined ? undefined : tiers[serviceTier];
  const hosted = Object.entries(toolCalls ?? {}).map(([name, calls]) => [`${name}_requests`, calls]);
  return {
    ...(input === undefined ? {} : { input_tokens: Math.max(0, input - (cacheRead ?? 0) - (cacheWrite ?? 0)) }),
    ...(cacheRead === undefined ? {} : { cache_read_input_tokens: cacheRead }),
    ...(cacheWrite === undefined ? {} : { cache_creation_input_tokens: cacheWrite }),
    ...(cacheWrite1h === undefined || cacheWrite === undefined
      ? {}
      : {
          cache_creation: {
            ephemeral_5m_input_tokens: cacheWrite - cacheWrite1h,
            ephemeral_1h_input_tokens: cacheWrite1h,
          },
        }),
    ...(output === undefined ? {} : { output_tokens: output }),
    ...(reasoning === undefined ? {} : { output_tokens_details: { thinking_tokens: reasoning } }),
    ...(hosted.length === 0 ? {} : { server_tool_use: Object.fromEntries(hosted) }),
    ...(tier === undefined ? {} : { service_tier: tier }),
  };
}
