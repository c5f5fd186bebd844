import { type ChatPart, type RequestView, type Usage, unescaped } from '../exchange/index.ts';
import {
  type Candidate,
  type ImageRule,
  imageTokens,
  imageTokensMax,
  type PriceOptions,
  pricesMedia,
  unknownFee,
  worstUsage,
} from '../providers/index.ts';

/** What providers add for tools besides their text: Anthropic's tool prompt is 313 to 346 tokens, OpenAI's less. */
const toolPromptTokensMax = 512;
/** Calls of a hosted tool in one exchange, where nobody set a limit: so often Anthropic's API goes on by itself. */
const hostedCallsMax = 10;
/** Input that may be read from elsewhere, where nobody told how long the model's context is. */
const elsewhereTokensMax = 1_000_000;
/** What providers add for a chat besides its text (role marks, the start of the answer). */
const chatTokensMax = 16;

/** Bytes of text a token has on the average, for figures a policy reads; never for what is held. */
const bytesPerToken = 4;

/**
 * An upper bound of the input's tokens that costs nothing to know: a byte-level tokeniser never makes more tokens than
 * bytes, and the JSON around a message is longer than the marks a provider puts in its place. `grownBytes` are those an
 * edit adds.
 */
export function inputTokensMax(view: RequestView, candidate: Candidate, grownBytes = 0): number {
  return inputBound(view, candidate, view.bytes.length + grownBytes);
}

/** The bound with this many tokens for everything but images, of which the bytes are among them. */
export function inputBound(view: RequestView, candidate: Candidate, text: number): number {
  const media = mediaOf(view, candidate.imageTokens);
  const tools = view.toolNames.length > 0 ? toolPromptTokensMax : 0;
  const { contextTokens, hostedInputTokensMax } = candidate;
  const elsewhere = view.readsElsewhere ? (hostedInputTokensMax ?? elsewhereTokensMax) : 0;
  const bound = Math.max(0, text - media.bytes) + media.tokens + tools + chatTokensMax + elsewhere;
  const times = compacts(view, candidate, bound) ? 2 : 1;
  if (contextTokens === undefined) return times * bound;
  // What the provider reads in several turns by itself may come to more than one context.
  const most = view.readsElsewhere ? Math.max(contextTokens, hostedInputTokensMax ?? 0) : contextTokens;
  return times * Math.min(bound, most);
}

/** Whether the provider may make a conversation of so many tokens shorter first. Another format leaves the wish behind. */
function compacts({ compactsFrom, format }: RequestView, { provider }: Candidate, tokens: number): boolean {
  return compactsFrom !== undefined && tokens >= compactsFrom && provider.format.name === format;
}

/** The most calls of each tool the provider runs itself; undefined where there is none. Another format leaves them behind. */
export function hostedCalls(
  { hostedCalls: asked, format }: RequestView,
  { provider, hostedCallsMax: assumed = hostedCallsMax }: Candidate,
): Readonly<Record<string, number>> | undefined {
  if (asked === undefined || provider.format.name !== format) return undefined;
  return Object.fromEntries(Object.entries(asked).map(([tool, most]) => [tool, most ?? assumed]));
}

interface Media {
  readonly tokens: number;
  readonly bytes: number;
}

const noMedia: Media = Object.freeze({ tokens: 0, bytes: 0 });

/** Most tokens the images of a request cost, and the bytes that are no text since they are images. */
export function mediaOf(view: RequestView, rule: ImageRule | undefined): Media {
  if (!view.hasImages) return noMedia;
  const media = { tokens: 0, bytes: 0 };
  let images = 0;
  const see = (parts: readonly ChatPart[]): void => {
    for (const part of parts) {
      if (part.type === 'tool_result') see(part.parts);
      if (part.type !== 'image') continue;
      images += 1;
      media.tokens += imageTokens(rule, part);
      media.bytes += part.base64?.length ?? 0;
    }
  };
  try {
    for (const { parts } of view.chat.messages) see(parts);
  } catch {
    // Parts nobody can translate may go through as they are: every word "image" counts as the dearest there is.
    return { tokens: imageTokensMax * wordsOf(unescaped(view.bytes), 'image'), bytes: 0 };
  }
  if (images === 0) media.tokens = imageTokensMax;
  return media;
}

/** Base64 that a token of audio has at least: speech of 5 kbit/s, at 32 tokens a second (Gemini's, audio understanding, 2026). */
const charactersPerAudioToken = 20;

/** Likely tokens of the audio in a request: its bytes are no text, and no tokeniser counts them. */
export function likelyAudioTokens(view: RequestView): number {
  if (!unescaped(view.bytes).includes('input_audio')) return 0;
  try {
    const parts = view.chat.messages.flatMap((message) => message.parts);
    const audio = parts.reduce((sum, part) => sum + (part.type === 'audio' ? part.base64.length : 0), 0);
    return Math.ceil(audio / charactersPerAudioToken);
  } catch {
    return likelyTokens(view.bytes.length);
  }
}

function wordsOf(bytes: Buffer, word: string): number {
  let found = 0;
  for (let at = bytes.indexOf(word); at >= 0; at = bytes.indexOf(word, at + word.length)) found += 1;
  return found;
}

/** A tool the provider would run and of which nobody told what a call costs; undefined where all is known. */
export function feeUnknown(view: RequestView, at_ms: number, candidate: Candidate): string | undefined {
  const calls = view.hostedCalls === undefined ? undefined : hostedCalls(view, candidate);
  return calls === undefined || candidate.price === undefined ? undefined : unknownFee(candidate.price, calls, at_ms);
}

/** The likely calls of those of which no usage tells: one of each. */
export function likelyCalls(view: RequestView, candidate: Candidate): Readonly<Record<string, number>> | undefined {
  const calls = candidate.provider.format.tellsHostedCalls ? undefined : hostedCalls(view, candidate);
  if (calls === undefined) return undefined;
  return Object.fromEntries(Object.entries(calls).map(([tool, most]) => [tool, Math.min(1, most)]));
}

/** The likely number of input tokens: what policies read as `llm.estimatedTokens`. */
export function likelyInputTokens(view: RequestView): number {
  return Math.max(1, Math.ceil(view.bytes.length / bytesPerToken));
}

/** The same for one model, which counts images by their size and not by their bytes: for money. */
export function likelyInputFor(view: RequestView, candidate: Candidate | undefined): number {
  if (!view.hasImages) return likelyInputTokens(view);
  const media = mediaOf(view, candidate?.imageTokens);
  return likelyTokens(Math.max(0, view.bytes.length - media.bytes)) + media.tokens;
}

/** Tokens of a text of this many bytes whose usage the provider did not tell; at least 1 for a text that is not empty. */
export function likelyTokens(bytes: number): number {
  return Math.ceil(bytes / bytesPerToken);
}

/** How much the choices of a request may produce. */
export interface OutputBound {
  /** Tokens a choice is held for at first. */
  readonly held: number;
  /** Tokens a choice may produce at most: `held` is extended up to it. */
  readonly most: number;
  /** Tokens that may be billed beside what a choice produces, whatever its limit: of an expected reply, of a conversation made shorter first. */
  readonly predicted: number;
  /** A limit that must be spliced into the request so that the bound is one. */
  readonly splice: number | undefined;
}

/** Holds of a model whose limit nobody told; spliced into the request, so the provider keeps it too. */
const unknownOutputCap = 16_384;

/**
 * The most a choice may produce: the smallest of the client's limit, the model's cap and the policy's cap. A stream of
 * one choice whose whole output we see may hold less at first, since it amends before the hold is used up: `observed`, a
 * high quantile of what this model and caller came to, or else `streamHold` where the caller set no limit.
 */
export function outputBound(
  view: RequestView,
  candidate: Candidate,
  policyCap: number | undefined,
  streamHold: number,
  observed?: number,
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
  const shorter =
    view.compactsFrom !== undefined && compacts(view, candidate, inputTokensMax(view, candidate)) ? most : 0;
  const predicted = predictedTokensMax(view, candidate) + shorter;
  const seen = view.stream && view.choices === 1 && candidate.reasoning !== true && view.unseenOutput !== true;
  // Before anything was observed a caller's own limit is the best guess; agents ask for far more than they take.
  if (!seen) return { held: most, most, predicted, splice };
  const first = observed ?? (asked === undefined ? streamHold : most);
  return { held: Math.min(most, first), most, predicted, splice };
}

/**
 * What of a prediction does not come is billed as output and counts for the model's context, and nobody promises that
 * it counts for `max_completion_tokens` (OpenAI's reference of `rejected_prediction_tokens`, 2026-11). Another format
 * leaves the prediction behind.
 */
function predictedTokensMax({ predictedBytes, format }: RequestView, { provider, contextTokens }: Candidate): number {
  if (predictedBytes === undefined || provider.format.name !== format) return 0;
  return Math.min(predictedBytes, contextTokens ?? Number.POSITIVE_INFINITY);
}

/** Most output tokens that are billed for all choices of a request within this bound. */
export function heldOutput({ held, predicted }: Pick<OutputBound, 'held' | 'predicted'>, choices: number): number {
  return (held + predicted) * choices;
}

/** The usage a call is likely to be billed for. */
export function likelyUsage(view: RequestView, candidate: Candidate, { held, predicted }: OutputBound): Usage {
  return {
    input: Math.min(likelyInputFor(view, candidate), candidate.contextTokens ?? Number.POSITIVE_INFINITY),
    output: heldOutput({ held, predicted: likelyTokens(predicted) }, view.choices),
  };
}

const standard: PriceOptions = Object.freeze({});

/** What the request asks for that its price depends on. */
export function pricedAs({ serviceTier, inferenceGeo }: RequestView): PriceOptions {
  if (serviceTier === undefined && inferenceGeo === undefined) return standard;
  return {
    ...(serviceTier === undefined ? undefined : { serviceTier }),
    ...(inferenceGeo === undefined ? undefined : { inferenceGeo }),
  };
}

/** The dearest that so many tokens of this request may be: of audio, of images, of what is written to a cache. */
export function dearestUsage(
  view: RequestView,
  at_ms: number,
  candidate: Candidate,
  input: number,
  output: number,
): Usage {
  const { price: book } = candidate;
  if (book === undefined) return { input, output };
  const media = pricesMedia(book, at_ms);
  const bounds = {
    input,
    output,
    cacheWrites: view.cacheWrites,
    // A body that has audio, or asks for it, has the word somewhere.
    audio: media && unescaped(view.bytes).includes('audio'),
    images: media && view.hasImages,
    toolCalls: hostedCalls(view, candidate),
  };
  return worstUsage(book, bounds, at_ms, pricedAs(view));
}
