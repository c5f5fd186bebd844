import { createHash } from 'node:crypto';
import {
  dearer,
  exact,
  type Path,
  type RateCard,
  type RateCards,
  type RateSettings,
  type Rates,
  rateKinds,
  ratesOf,
  times,
} from './rates.ts';
import type { ModelSettings } from './settings.ts';
import { ProviderSettingsError } from './settings-error.ts';

/** Both whole. */
export interface Factor {
  readonly numerator: number;
  readonly denominator: number;
}

/** What a model costs from a moment on. */
export interface DatedPrice extends RateCards {
  /** Unix ms; -Infinity where no date is given. */
  readonly validFrom_ms: number;
  /** What it costs where a request has the model run in one place; missing where that makes no difference. */
  readonly geos?: ReadonlyMap<string, RateCards>;
  /** Pico-dollars a call of a hosted tool. */
  readonly toolCalls: ReadonlyMap<string, number>;
  /** What a region adds and a contract takes off, of every part: kept as a fraction, so that nothing is rounded twice. */
  readonly factor: Factor;
  /** Whether audio or images cost otherwise than text: then it matters whether a request has any. */
  readonly byMedium: boolean;
}

/** What a model costs: dated prices, latest first. Immutable; an exchange pins it. */
export interface ModelPrice {
  readonly dated: readonly DatedPrice[];
  /** Everything above as canonical text: the same prices give the same text. */
  readonly canonical: string;
}

type PriceSettings = Omit<ModelSettings['other_prices'][number], 'valid_from'> & { readonly valid_from?: string };

/** What a provider says of all its prices. */
export interface PriceAt {
  readonly region?: string;
  readonly discount_percent?: number;
}

/**
 * A model's prices from its settings; undefined where they name no rate at all (unknown, which is not free). Throws
 * ProviderSettingsError: half a price, more than six decimals, long context cheaper than short, two prices of one day,
 * a region with rates and a percent.
 */
export function modelPrice(
  provider: string,
  settings: ModelSettings,
  path: Path,
  at: PriceAt = {},
): ModelPrice | undefined {
  const dated: DatedPrice[] = [];
  const flat = datedPrice(provider, settings, path, at);
  if (flat !== undefined) dated.push(flat);
  settings.other_prices.forEach((other, index) => {
    const place = [...path, 'other_prices', index];
    const price = datedPrice(provider, other, place, at);
    if (price === undefined) throw new ProviderSettingsError(provider, place, 'A dated price needs its rates.');
    dated.push(price);
  });
  if (dated.length === 0) return undefined;
  dated.sort((a, b) => b.validFrom_ms - a.validFrom_ms);
  for (let i = 1; i < dated.length; i += 1) {
    if (dated[i]?.validFrom_ms === dated[i - 1]?.validFrom_ms) {
      throw new ProviderSettingsError(provider, path, 'Two prices begin on the same day.');
    }
  }
  return { dated, canonical: JSON.stringify(dated, canonicalValue) };
}

function canonicalValue(_key: string, value: unknown): unknown {
  if (value instanceof Map) return [...value].sort(([a], [b]) => (a < b ? -1 : 1));
  return value === Number.NEGATIVE_INFINITY ? 'always' : value;
}

function datedPrice(provider: string, whole: PriceSettings, path: Path, at: PriceAt): DatedPrice | undefined {
  const region = at.region === undefined ? undefined : whole.regions?.[at.region];
  const settings = regional(provider, whole, region, [...path, 'regions', at.region ?? '']);
  const priced =
    Object.keys(settings).some((key) => key.endsWith('_usd_per_mtok')) ||
    settings.long_context !== undefined ||
    settings.service_tiers !== undefined ||
    settings.tool_call_usd !== undefined;
  if (!priced) return undefined;
  const base = ratesOf(provider, settings, path, undefined);
  const standard = withLongContext(provider, base, settings.long_context, path);
  const tiers = new Map<string, RateCard>();
  for (const [tier, tierSettings] of Object.entries(settings.service_tiers ?? {})) {
    const tierPath = [...path, 'service_tiers', tier];
    tiers.set(tier, tierCard(provider, tierSettings, standard, tierPath));
  }
  const toolCalls = new Map<string, number>();
  for (const [tool, usd] of Object.entries(settings.tool_call_usd ?? {})) {
    toolCalls.set(tool, exact(provider, usd, [...path, 'tool_call_usd', tool]) * 1_000_000);
  }
  return {
    validFrom_ms: validFrom(provider, settings.valid_from, path),
    standard,
    tiers,
    ...geosOf(provider, settings.inference_geo_percent, { standard, tiers }, path),
    toolCalls,
    factor: factorOf(provider, path, region?.percent, settings.discount_percent ?? at.discount_percent),
    byMedium: [standard, ...tiers.values()].some(byMedium),
  };
}

/** Percents of tokens alone: the fees of tools are the same everywhere. */
function geosOf(
  provider: string,
  percents: PriceSettings['inference_geo_percent'] = {},
  { standard, tiers }: RateCards,
  path: Path,
): { readonly geos?: ReadonlyMap<string, RateCards> } {
  const geos = Object.entries(percents).map(([geo, percent]) => {
    const share = hundredths(provider, path, percent);
    const scaled = ({ rates, longContext }: RateCard): RateCard => ({
      rates: times(rates, share),
      ...(longContext === undefined
        ? undefined
        : { longContext: { ...longContext, rates: times(longContext.rates, share) } }),
    });
    const cards = new Map([...tiers].map(([tier, card]) => [tier, scaled(card)] as const));
    return [geo, { standard: scaled(standard), tiers: cards }] as const;
  });
  return geos.length === 0 ? {} : { geos: new Map(geos) };
}

function byMedium({ rates, longContext }: RateCard): boolean {
  return [rates, longContext?.rates ?? rates].some(
    ({ input, output, audioInput, audioOutput, imageInput }) =>
      audioInput !== input || imageInput !== input || audioOutput !== output,
  );
}

/** A region has rates of its own, or a percentage of the others: not both, since one would be lost. */
function regional(
  provider: string,
  settings: PriceSettings,
  region: NonNullable<PriceSettings['regions']>[string] | undefined,
  path: Path,
): PriceSettings {
  if (region === undefined) return settings;
  const { percent, ...own } = region;
  if (Object.keys(own).length === 0) {
    if (percent === undefined) throw new ProviderSettingsError(provider, path, 'A region needs rates or a percent.');
    return settings;
  }
  if (percent !== undefined)
    throw new ProviderSettingsError(provider, path, 'A region has rates of its own or a percent of the others.');
  const { valid_from, discount_percent, tool_call_usd, inference_geo_percent } = settings;
  return {
    ...(valid_from === undefined ? undefined : { valid_from }),
    ...(discount_percent === undefined ? undefined : { discount_percent }),
    ...(tool_call_usd === undefined ? undefined : { tool_call_usd }),
    ...(inference_geo_percent === undefined ? undefined : { inference_geo_percent }),
    ...own,
  };
}

/** Percents have two decimals at most; hundredths of a percent are whole. */
function factorOf(provider: string, path: Path, percent = 100, discount_percent = 0): Factor {
  const numerator = hundredths(provider, path, percent) * (10_000 - hundredths(provider, path, discount_percent));
  const divisor = commonDivisor(numerator, 100_000_000);
  return { numerator: numerator / divisor, denominator: 100_000_000 / divisor };
}

function hundredths(provider: string, path: Path, percent: number): number {
  const whole = Math.round(percent * 100);
  if (Math.abs(percent * 100 - whole) > 1e-6)
    throw new ProviderSettingsError(provider, path, `${percent} percent has more than two decimals.`);
  return whole;
}

function commonDivisor(a: number, b: number): number {
  return b === 0 ? a : commonDivisor(b, a % b);
}

function validFrom(provider: string, day: string | undefined, path: Path): number {
  if (day === undefined) return Number.NEGATIVE_INFINITY;
  const at = Date.parse(`${day}T00:00:00Z`);
  if (Number.isNaN(at)) throw new ProviderSettingsError(provider, [...path, 'valid_from'], `${day} is not a day.`);
  return at;
}

/**
 * A tier that says nothing of long context keeps the standard's surcharge where that is dearer: a price may be told too
 * high where nobody wrote it down, never too low.
 */
function tierCard(provider: string, settings: RateSettings, standard: RateCard, path: Path): RateCard {
  const rates = ratesOf(provider, settings, path, standard.rates);
  if (settings.long_context !== undefined) return withLongContext(provider, rates, settings.long_context, path);
  if (standard.longContext === undefined) return { rates };
  return { rates, longContext: { ...standard.longContext, rates: dearer(rates, standard.longContext.rates) } };
}

function withLongContext(
  provider: string,
  rates: Rates,
  settings: PriceSettings['long_context'],
  path: Path,
): RateCard {
  if (settings === undefined) return { rates };
  const at = [...path, 'long_context'];
  const long = ratesOf(provider, settings, at, rates);
  for (const kind of rateKinds) {
    // One more token must never make a call cheaper, or a hold for fewer tokens would not cover it.
    if (long[kind] < rates[kind]) throw new ProviderSettingsError(provider, at, 'Long context cannot be cheaper.');
  }
  return { rates, longContext: { aboveTokens: settings.above_tokens, rates: long } };
}

/** A short name of all prices in force: the same prices have the same name, whatever the order of providers. */
export function priceBookVersion(
  providers: readonly {
    readonly id: string;
    readonly models: readonly { readonly name: string; readonly price?: ModelPrice }[];
  }[],
): string {
  const lines = providers.flatMap((provider) =>
    provider.models.map((model) => JSON.stringify([provider.id, model.name, model.price?.canonical ?? null])),
  );
  return createHash('sha256').update(lines.sort().join('\n')).digest('hex').slice(0, 16);
}
