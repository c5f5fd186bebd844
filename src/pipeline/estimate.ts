import type { RequestView, Usage } from '../exchange/index.ts';
import type { Candidate } from '../providers/index.ts';

/**
 * Most tokens an image costs with any provider we know: OpenAI's gpt-4o-mini bills a high-detail image of eight tiles
 * with 2,833 + 8 x 5,667 tokens (OpenAI, vision guide, 2026).
 */
const imageTokensMax = 48_169;
/** What providers add for tools besides their text: Anthropic's tool prompt is 313 to 346 tokens, OpenAI's less. */
const toolPromptTokensMax = 512;
/** What providers add for a chat besides its text (role marks, the start of the answer). */
const chatTokensMax = 16;

/** Bytes of text a token has on the average, for figures a policy reads; never for what is held. */
const bytesPerToken = 4;

/**
 * An upper bound of the input's tokens: a byte-level tokeniser never makes more tokens than bytes, and the JSON around
 * a message is longer than the marks a provider puts in its place.
 */
export function inputTokensMax(view: RequestView, candidate: Candidate): number {
  const images = view.hasImages ? imageTokensMax * countImages(view) : 0;
  const tools = view.toolNames.length > 0 ? toolPromptTokensMax : 0;
  const bound = view.bytes.length + images + tools + chatTokensMax;
  return candidate.contextTokens === undefined ? bound : Math.min(bound, candidate.contextTokens);
}

function countImages(view: RequestView): number {
  let images = 0;
  for (const message of view.chat.messages) {
    for (const part of message.parts) {
      if (part.type === 'image') images += 1;
      if (part.type === 'tool_result') images += part.parts.filter((inner) => inner.type === 'image').length;
    }
  }
  return Math.max(1, images);
}

/** The likely number of input tokens: what policies read as `llm.estimatedTokens`. */
export function likelyInputTokens(view: RequestView): number {
  return Math.max(1, Math.ceil(view.bytes.length / bytesPerToken));
}

/** Tokens of a text whose usage the provider did not tell; at least 1 for a text that is not empty. */
export function likelyTokens(characters: number): number {
  return Math.ceil(characters / bytesPerToken);
}

export interface OutputBound {
  /** Tokens a choice is held for at first. */
  readonly held: number;
  /** Tokens a choice may produce at most: `held` is extended up to it. */
  readonly most: number;
  /** A limit that must be spliced into the request so that the bound is one. */
  readonly splice: number | undefined;
}

/** Holds of a model whose limit nobody told; spliced into the request, so the provider keeps it too. */
const unknownOutputCap = 16_384;

/**
 * The most a choice may produce: the smallest of the client's limit, the model's cap and the policy's cap. A stream of
 * one choice whose whole output we see may hold less at first, since it amends before the hold is used up.
 */
export function outputBound(
  view: RequestView,
  candidate: Candidate,
  policyCap: number | undefined,
  streamHold: number,
): OutputBound {
  const modelCap = candidate.outputTokensMax;
  const asked = view.maxOutputTokens;
  let most = Math.min(
    asked ?? Number.POSITIVE_INFINITY,
    modelCap ?? Number.POSITIVE_INFINITY,
    policyCap ?? Number.POSITIVE_INFINITY,
  );
  let splice: number | undefined;
  if (policyCap !== undefined && most === policyCap && asked !== policyCap) splice = policyCap;
  if (!Number.isFinite(most)) {
    most = unknownOutputCap;
    splice = unknownOutputCap;
  }
  const seen = view.stream && view.choices === 1 && candidate.reasoning !== true;
  const held = seen && asked === undefined ? Math.min(most, streamHold) : most;
  return { held, most, splice };
}

/** The usage a hold is priced with. */
export function heldUsage(input: number, outputPerChoice: number, choices: number): Usage {
  return { input, output: outputPerChoice * choices };
}
