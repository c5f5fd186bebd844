import type { ModelSettings } from './settings.ts';
import { ProviderSettingsError } from './settings-error.ts';

/** Pico-dollars (1e-12 USD) a token: a rate in USD per million tokens with six decimals is one of these exactly. */
export interface Rates {
  readonly input: number;
  readonly output: number;
  readonly cachedInput: number;
  readonly cacheWrite: number;
  readonly cacheWrite1h: number;
  readonly reasoning: number;
  readonly audioInput: number;
  readonly audioOutput: number;
  readonly imageInput: number;
}

/** Rates up to a length of input and above it. */
export interface RateCard {
  readonly rates: Rates;
  readonly longContext?: { readonly aboveTokens: number; readonly rates: Rates };
}

/** The standard rates, and those of service tiers. */
export interface RateCards {
  readonly standard: RateCard;
  readonly tiers: ReadonlyMap<string, RateCard>;
}

/** Settings of rates: of a price, a tier, a long context. */
export type RateSettings = NonNullable<ModelSettings['other_prices'][number]['service_tiers']>[string];
/** Where in a provider's settings something stands. */
export type Path = readonly (string | number)[];

/** Every kind of token that has a rate. */
export const rateKinds = [
  'input',
  'output',
  'cachedInput',
  'cacheWrite',
  'cacheWrite1h',
  'reasoning',
  'audioInput',
  'audioOutput',
  'imageInput',
] as const satisfies readonly (keyof Rates)[];

/** The higher of each. */
export function dearer(a: Rates, b: Rates): Rates {
  const rates = { ...a };
  for (const kind of rateKinds) rates[kind] = Math.max(a[kind], b[kind]);
  return rates;
}

/** Rates with what is left out filled in: from the own input or output where those are given, else from `base`. */
export function ratesOf(provider: string, settings: RateSettings, path: Path, base: Rates | undefined): Rates {
  const own = (key: keyof RateSettings & `${string}_usd_per_mtok`): number | undefined =>
    settings[key] === undefined ? undefined : exact(provider, settings[key], [...path, key]);
  const input = own('input_usd_per_mtok') ?? base?.input;
  const output = own('output_usd_per_mtok') ?? base?.output;
  if (input === undefined || output === undefined) {
    throw new ProviderSettingsError(provider, path, 'A price needs input_usd_per_mtok and output_usd_per_mtok.');
  }
  const fromInput = (kind: keyof Rates): number => inherited(base, kind, input, base?.input);
  const fromOutput = (kind: keyof Rates): number => inherited(base, kind, output, base?.output);
  const cacheWrite = own('cache_write_usd_per_mtok') ?? fromInput('cacheWrite');
  return {
    input,
    output,
    cachedInput: own('cached_input_usd_per_mtok') ?? fromInput('cachedInput'),
    cacheWrite,
    cacheWrite1h:
      own('cache_write_1h_usd_per_mtok') ?? Math.max(cacheWrite, base === undefined ? 0 : fromInput('cacheWrite1h')),
    reasoning: own('reasoning_usd_per_mtok') ?? fromOutput('reasoning'),
    audioInput: own('audio_input_usd_per_mtok') ?? fromInput('audioInput'),
    audioOutput: own('audio_output_usd_per_mtok') ?? fromOutput('audioOutput'),
    imageInput: own('image_input_usd_per_mtok') ?? fromInput('imageInput'),
  };
}

/**
 * A kind nobody gave: at first the main rate itself, in a tier or a long context the base's in proportion, since
 * surcharges and discounts are told for the main rates and hold for all (reasoning follows output in a batch).
 */
function inherited(base: Rates | undefined, kind: keyof Rates, main: number, baseMain: number | undefined): number {
  if (base === undefined || baseMain === undefined) return main;
  return baseMain === 0 ? base[kind] : Math.ceil((base[kind] * main) / baseMain);
}

/** Pico-dollars of an amount. Throws ProviderSettingsError: it has more than six decimals. */
export function exact(provider: string, usd: number, path: Path): number {
  const pico = Math.round(usd * 1_000_000);
  // Written back and compared: 0.15 * 1e6 is not exactly 150000 in binary, six decimals are what is meant.
  if (Math.abs(usd - pico / 1_000_000) > 1e-12 * Math.max(1, usd)) {
    throw new ProviderSettingsError(provider, path, `${usd} has more than six decimals.`);
  }
  return pico;
}

/** So many hundredths of a percent of each, rounded up. */
export function times(rates: Rates, hundredths: number): Rates {
  const scaled = { ...rates };
  for (const kind of rateKinds) scaled[kind] = Math.ceil((rates[kind] * hundredths) / 10_000);
  return scaled;
}
