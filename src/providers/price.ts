import type { Usage } from '../exchange/index.ts';
import type { DatedPrice, Factor, ModelPrice } from './price-book.ts';
import type { RateCard, RateCards, Rates } from './rates.ts';

/** Nano-dollars, an integer; the ledger's unit. */
type NanoUsd = number;

export interface PriceOptions {
  /** The tier the request asked for; the one the usage tells wins, since that is what is billed. */
  readonly serviceTier?: string;
  /** Where it asked the model to run; the one the usage tells wins as well. */
  readonly inferenceGeo?: string;
}

/**
 * What this usage costs with the price of that moment: every part exact, rounded up once to a nano-dollar. The one
 * function for estimate and settlement. Undefined: the price is unknown (none has begun), or a number of tokens that is
 * not free is missing. Never negative; what passes 2^53 nano-dollars (nine million dollars) is told as 2^53 - 1.
 */
export function price(book: ModelPrice, usage: Usage, at_ms: number, options: PriceOptions = {}): NanoUsd | undefined {
  const dated = priceAt(book, at_ms);
  if (dated === undefined) return undefined;
  const cards = cardsFor(dated, usage.inferenceGeo ?? options.inferenceGeo);
  const card = cardFor(cards, usage.serviceTier ?? options.serviceTier);
  const input = tokens(usage.input);
  const rates = ratesFor(card, input ?? 0);
  const output = tokens(usage.output);
  if (input === undefined && rates.input > 0) return undefined;
  if (output === undefined && rates.output > 0) return undefined;

  const cacheRead = tokens(usage.cacheRead) ?? 0;
  const cacheWrite = tokens(usage.cacheWrite) ?? 0;
  const hour = Math.min(tokens(usage.cacheWrite1h) ?? 0, cacheWrite);
  let audioInput = tokens(usage.audioInput) ?? 0;
  let imageInput = tokens(usage.imageInput) ?? 0;
  if (cacheRead + cacheWrite > 0 && audioInput + imageInput > 0) {
    // Audio and images may be among what was cached, and nobody tells how much of them: what stands in both counts once.
    let twice = cacheRead + cacheWrite + audioInput + imageInput - (input ?? 0);
    twice = Math.max(0, Math.min(twice, cacheRead + cacheWrite));
    const ofImages = Math.min(twice, imageInput);
    imageInput -= ofImages;
    audioInput -= Math.min(twice - ofImages, audioInput);
  }
  const reasoning = tokens(usage.reasoning) ?? 0;
  const audioOutput = tokens(usage.audioOutput) ?? 0;
  const plainInput = Math.max(0, (input ?? 0) - cacheRead - cacheWrite - audioInput - imageInput);
  const plainOutput = Math.max(0, (output ?? 0) - reasoning - audioOutput);
  // Text in, text out: nearly every call, priced several times on its way.
  if (cacheRead + cacheWrite + audioInput + imageInput + reasoning + audioOutput === 0) {
    if (usage.toolCalls === undefined)
      return twoParts(plainInput, rates.input, plainOutput, rates.output, dated.factor);
  }
  const parts = [
    plainInput,
    rates.input,
    cacheRead,
    rates.cachedInput,
    cacheWrite - hour,
    rates.cacheWrite,
    hour,
    rates.cacheWrite1h,
    audioInput,
    rates.audioInput,
    imageInput,
    rates.imageInput,
    plainOutput,
    rates.output,
    reasoning,
    rates.reasoning,
    audioOutput,
    rates.audioOutput,
  ];
  if (usage.toolCalls !== undefined) {
    for (const tool in usage.toolCalls) {
      parts.push(tokens(usage.toolCalls[tool]) ?? 0, dated.toolCalls.get(tool) ?? 0);
    }
  }
  return nanoDollars(parts, dated.factor);
}

/** Dollars of a million tokens at a moment, at the standard tier and a short context; undefined where none is known. */
export function usdPerMtok(
  book: ModelPrice,
  at_ms: number,
): { readonly input: number; readonly output: number } | undefined {
  const dated = priceAt(book, at_ms);
  if (dated === undefined) return undefined;
  const { numerator, denominator } = dated.factor;
  const usd = (pico: number): number => (pico * numerator) / denominator / 1_000_000;
  return { input: usd(dated.standard.rates.input), output: usd(dated.standard.rates.output) };
}

export interface WorstCase {
  /** Upper bound of input tokens, cached ones included. */
  readonly input: number;
  /** Upper bound of output tokens over all choices, reasoning included. */
  readonly output: number;
  /** Whether audio may be among them; default no. */
  readonly audio?: boolean;
  /** Whether images may be among the input; default no. */
  readonly images?: boolean;
  /** Whether input may be written to a cache, which can be dearer than not caching it; default yes. */
  readonly cacheWrites?: boolean;
  readonly toolCalls?: Readonly<Record<string, number>> | undefined;
}

/**
 * The dearest usage within these bounds: what to hold is `price(book, worstUsage(...), at_ms)`. A tier that was asked
 * for may be answered by the standard one, so the dearer of the two is taken.
 */
export function worstUsage(book: ModelPrice, bounds: WorstCase, at_ms: number, options: PriceOptions = {}): Usage {
  const dated = priceAt(book, at_ms);
  const { input, output, toolCalls } = bounds;
  const plain: Usage = toolCalls === undefined ? { input, output } : { input, output, toolCalls };
  if (dated === undefined) return plain;
  // Where it runs adds to all rates alike, so that the dearest stays the dearest.
  const standard = dearestSplit(ratesFor(dated.standard, bounds.input), bounds, plain);
  const tier = options.serviceTier === undefined ? undefined : dated.tiers.get(options.serviceTier);
  if (tier === undefined) return standard;
  const tiered = {
    ...dearestSplit(ratesFor(tier, bounds.input), bounds, plain),
    ...(options.serviceTier === undefined ? undefined : { serviceTier: options.serviceTier }),
  };
  const asStandard = { ...standard, serviceTier: 'standard' };
  return (price(book, tiered, at_ms) ?? 0) > (price(book, asStandard, at_ms) ?? 0) ? tiered : asStandard;
}

function dearestSplit(rates: Rates, { input, output, audio, images, cacheWrites }: WorstCase, plain: Usage): Usage {
  const write = cacheWrites === false ? 0 : Math.max(rates.cacheWrite, rates.cacheWrite1h);
  const audioInput = audio === true ? rates.audioInput : 0;
  const imageInput = images === true ? rates.imageInput : 0;
  const dearest = Math.max(rates.input, rates.cachedInput, write, audioInput, imageInput);
  let inputs: Usage | undefined;
  if (dearest > rates.input) {
    if (dearest === audioInput) inputs = { audioInput: input };
    else if (dearest === imageInput) inputs = { imageInput: input };
    else if (dearest === rates.cachedInput) inputs = { cacheRead: input };
    else inputs = { cacheWrite: input, cacheWrite1h: dearest === rates.cacheWrite1h ? input : 0 };
  }
  const audioOutput = audio === true ? rates.audioOutput : 0;
  let outputs: Usage | undefined;
  if (rates.reasoning > rates.output && rates.reasoning >= audioOutput) outputs = { reasoning: output };
  else if (audioOutput > rates.output) outputs = { audioOutput: output };
  return inputs === undefined && outputs === undefined ? plain : { ...plain, ...inputs, ...outputs };
}

function priceAt(book: ModelPrice, at_ms: number): DatedPrice | undefined {
  for (const dated of book.dated) if (dated.validFrom_ms <= at_ms) return dated;
  return undefined;
}

function cardsFor(dated: DatedPrice, geo: string | undefined): RateCards {
  return (geo === undefined ? undefined : dated.geos?.get(geo)) ?? dated;
}

function cardFor({ standard, tiers }: RateCards, tier: string | undefined): RateCard {
  return (tier === undefined ? undefined : tiers.get(tier)) ?? standard;
}

function ratesFor(card: RateCard, input: number): Rates {
  return card.longContext !== undefined && input > card.longContext.aboveTokens ? card.longContext.rates : card.rates;
}

/** A provider's number as a count of tokens: whole, not negative; undefined where it told none. */
function tokens(count: number | undefined): number | undefined {
  if (count === undefined || Number.isNaN(count)) return undefined;
  return Math.min(Math.max(0, Math.ceil(count)), Number.MAX_SAFE_INTEGER);
}

/** Counts and pico-dollar rates in turn, multiplied, added, times the factor, and rounded up once. */
function nanoDollars(parts: readonly number[], factor: Factor): NanoUsd {
  let pico = 0;
  for (let i = 0; i < parts.length; i += 2) pico += (parts[i] ?? 0) * (parts[i + 1] ?? 0);
  return roundedUp(pico, factor) ?? bigNanoDollars(parts, factor);
}

/** The same of two parts, without a list of them. */
function twoParts(count: number, rate: number, others: number, theirRate: number, factor: Factor): NanoUsd {
  const nano = roundedUp(count * rate + others * theirRate, factor);
  return nano ?? bigNanoDollars([count, rate, others, theirRate], factor);
}

/** Undefined beyond 2^53, where a double is no longer exact; every sum of exact parts below it is. */
function roundedUp(pico: number, { numerator, denominator }: Factor): NanoUsd | undefined {
  const scaled = pico * numerator;
  if (pico > Number.MAX_SAFE_INTEGER || scaled > Number.MAX_SAFE_INTEGER) return undefined;
  const unit = 1000 * denominator;
  const rest = scaled % unit;
  return (scaled - rest) / unit + (rest > 0 ? 1 : 0);
}

function bigNanoDollars(parts: readonly number[], { numerator, denominator }: Factor): NanoUsd {
  let pico = 0n;
  for (let i = 0; i < parts.length; i += 2) pico += BigInt(parts[i] ?? 0) * BigInt(parts[i + 1] ?? 0);
  const unit = 1000n * BigInt(denominator);
  const nano = (pico * BigInt(numerator) + unit - 1n) / unit;
  return nano > BigInt(Number.MAX_SAFE_INTEGER) ? Number.MAX_SAFE_INTEGER : Number(nano);
}

/** A tool among these that may be called and of which nobody told what that costs; undefined where there is none. */
export function unknownFee(
  book: ModelPrice,
  toolCalls: Readonly<Record<string, number>>,
  at_ms: number,
): string | undefined {
  const fees = priceAt(book, at_ms)?.toolCalls;
  for (const tool in toolCalls) if (Number(toolCalls[tool]) > 0 && fees?.has(tool) !== true) return tool;
  return undefined;
}

/** Whether it matters to this price, at that moment, if a request has audio or images. */
export function pricesMedia(book: ModelPrice, at_ms: number): boolean {
  return priceAt(book, at_ms)?.byMedium ?? false;
}
