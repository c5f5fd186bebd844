import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Usage } from '../../src/exchange/index.ts';
import { type ModelPrice, price, priceBookVersion, worstUsage } from '../../src/providers/index.ts';
import { provider } from './load.ts';

const book = (model: object): ModelPrice => provider({ models: { m: model } }).models[0]!.price!;
const at_ms = Date.parse('2026-11-21T00:00:00Z');

const plain = book({ input_usd_per_mtok: 0.15, output_usd_per_mtok: 0.6, cached_input_usd_per_mtok: 0.075 });
const richSettings = {
  input_usd_per_mtok: 3,
  output_usd_per_mtok: 15,
  cached_input_usd_per_mtok: 0.3,
  cache_write_usd_per_mtok: 3.75,
  cache_write_1h_usd_per_mtok: 6,
  reasoning_usd_per_mtok: 20,
  audio_input_usd_per_mtok: 40,
  audio_output_usd_per_mtok: 80,
  image_input_usd_per_mtok: 5,
  long_context: { above_tokens: 200_000, input_usd_per_mtok: 6, output_usd_per_mtok: 22.5 },
  service_tiers: {
    batch: { input_usd_per_mtok: 1.5, output_usd_per_mtok: 7.5 },
    priority: { input_usd_per_mtok: 6, output_usd_per_mtok: 30 },
  },
  tool_call_usd: { web_search: 0.01 },
};
const rich = book(richSettings);
/** The same with what a region adds and a contract takes off: 110 % less 12.5 %. */
const contracted = provider({
  region: 'eu',
  discount_percent: 12.5,
  models: { m: { ...richSettings, regions: { eu: { percent: 110 } } } },
}).models[0]!.price!;

/** Disjoint counts, from which a usage is put together: its parts never exceed its wholes. */
const counts = fc.record({
  fresh: fc.nat(400_000),
  read: fc.nat(400_000),
  write: fc.nat(400_000),
  hour: fc.nat(400_000),
  heard: fc.nat(1000),
  looked: fc.nat(100_000),
  written: fc.nat(400_000),
  thought: fc.nat(400_000),
  spoken: fc.nat(1000),
  searches: fc.nat(20),
});
type Counts = typeof counts extends fc.Arbitrary<infer T> ? T : never;
const kinds = [
  'fresh',
  'read',
  'write',
  'hour',
  'heard',
  'looked',
  'written',
  'thought',
  'spoken',
  'searches',
] as const;
const tier = fc.constantFrom(undefined, 'batch', 'priority', 'default', 'nobody');
const anyBook = fc.constantFrom(plain, rich, contracted);

function usageOf(c: Counts): Usage {
  return {
    input: c.fresh + c.read + c.write + c.hour + c.heard + c.looked,
    output: c.written + c.thought + c.spoken,
    cacheRead: c.read,
    cacheWrite: c.write + c.hour,
    cacheWrite1h: c.hour,
    audioInput: c.heard,
    imageInput: c.looked,
    reasoning: c.thought,
    audioOutput: c.spoken,
    toolCalls: { web_search: c.searches },
  };
}

const cost = (model: ModelPrice, usage: Usage, serviceTier?: string) =>
  price(model, usage, at_ms, serviceTier === undefined ? {} : { serviceTier })!;

describe('a price', () => {
  test('is exact and rounded up once', () => {
    expect(cost(plain, { input: 1, output: 0 })).toBe(150);
    expect(cost(plain, { input: 1_000_000, output: 1_000_000 })).toBe(750_000_000);
    expect(cost(book({ input_usd_per_mtok: 0.000001, output_usd_per_mtok: 0 }), { input: 1, output: 0 })).toBe(1);
    const thirds = book({ input_usd_per_mtok: 0.000333, output_usd_per_mtok: 0.000333 });
    expect(cost(thirds, { input: 1, output: 1 })).toBe(1);
    expect(cost(thirds, { input: 3, output: 1 })).toBe(2);
  });

  test('has a rate for every kind of token', () => {
    const million = 1_000_000;
    const usd = (usage: Usage) => cost(rich, usage) / 1e9;
    expect(usd({ input: 1000, output: 0 })).toBe(0.003);
    expect(usd({ input: million, output: 0 })).toBe(6);
    expect(usd({ input: 100_000, output: 0, cacheRead: 100_000 })).toBe(0.03);
    expect(usd({ input: 100_000, output: 0, cacheWrite: 100_000 })).toBe(0.375);
    expect(usd({ input: 100_000, output: 0, cacheWrite: 100_000, cacheWrite1h: 100_000 })).toBe(0.6);
    expect(usd({ input: 0, output: million })).toBe(15);
    expect(usd({ input: 0, output: million, reasoning: million })).toBe(20);
    expect(usd({ input: 100_000, output: 0, audioInput: 100_000 })).toBe(4);
    expect(usd({ input: 0, output: 1000, audioOutput: 1000 })).toBe(0.08);
    expect(usd({ input: 0, output: 0, toolCalls: { web_search: 3, unheard_of: 9 } })).toBe(0.03);
    expect(usd({ input: 1000, output: 0, serviceTier: 'batch' })).toBe(0.0015);
  });

  test('counts once what is cached and an image at the same time', () => {
    const usage = { input: 1000, output: 0, cacheRead: 900, imageInput: 800 };
    expect(cost(plain, usage)).toBe(cost(plain, { input: 1000, output: 0, cacheRead: 900 }));
    expect(cost(rich, usage)).toBe(cost(rich, { input: 1000, output: 0, cacheRead: 900, imageInput: 100 }));
    const heard = { input: 1000, output: 0, cacheRead: 900, audioInput: 60, imageInput: 70 };
    expect(cost(rich, heard)).toBe(cost(rich, { ...heard, imageInput: 40 }));
    // A part that is more than its whole is paid for all the same.
    expect(cost(rich, { input: 10, output: 0, audioInput: 50 })).toBe(
      cost(rich, { input: 50, output: 0, audioInput: 50 }),
    );
  });

  test('long context begins above its threshold, for all tokens of the call', () => {
    expect(cost(rich, { input: 200_000, output: 1000 })).toBe(615_000_000);
    expect(cost(rich, { input: 200_001, output: 1000 })).toBe(1_222_506_000);
  });

  test('of a tier that was told in the reply wins over the one asked for', () => {
    expect(cost(rich, { input: 1000, output: 0, serviceTier: 'default' }, 'priority')).toBe(3_000_000);
    expect(cost(rich, { input: 1000, output: 0 }, 'priority')).toBe(6_000_000);
  });

  test('of zero is a price, and none is unknown', () => {
    const free = book({ input_usd_per_mtok: 0, output_usd_per_mtok: 0 });
    expect(price(free, {}, at_ms)).toBe(0);
    expect(provider({ models: { m: {} } }).models[0]!.price).toBeUndefined();
  });

  test('of a usage that misses a number is unknown, and zero is a number', () => {
    expect(price(plain, { output: 5 }, at_ms)).toBeUndefined();
    expect(price(plain, { input: 5 }, at_ms)).toBeUndefined();
    expect(price(plain, { input: 0, output: 0 }, at_ms)).toBe(0);
    expect(price(book({ input_usd_per_mtok: 1, output_usd_per_mtok: 0 }), { input: 1 }, at_ms)).toBe(1000);
  });

  test("is that of its provider's region, less what the contract takes off", () => {
    const model = {
      input_usd_per_mtok: 10,
      output_usd_per_mtok: 20,
      tool_call_usd: { web_search: 0.01 },
      regions: { eu: { percent: 110 }, us: { input_usd_per_mtok: 8, output_usd_per_mtok: 16 } },
    };
    const at = (more: object, own: object = {}) => {
      const known = provider({ ...more, models: { m: { ...model, ...own } } }).models[0]!.price!;
      return cost(known, { input: 1000, output: 0, toolCalls: { web_search: 1 } });
    };
    expect(at({})).toBe(20_000_000);
    expect(at({ region: 'ap' })).toBe(20_000_000);
    expect(at({ region: 'eu' })).toBe(22_000_000);
    expect(at({ region: 'us' })).toBe(18_000_000);
    expect(at({ discount_percent: 25 })).toBe(15_000_000);
    expect(at({ region: 'eu', discount_percent: 50 })).toBe(11_000_000);
    expect(at({ discount_percent: 25 }, { discount_percent: 10 })).toBe(18_000_000);
    expect(at({ discount_percent: 100 })).toBe(0);
  });

  test('is that of where the model ran, or was asked to run, for tokens alone', () => {
    const model = { ...richSettings, inference_geo_percent: { us: 110 }, discount_percent: 50 };
    const known = book(model);
    const usage: Usage = { input: 250_000, output: 1000, cacheRead: 50_000, toolCalls: { web_search: 2 } };
    const at = (geo: string | undefined, serviceTier: string, told: Usage = usage) =>
      price(known, told, at_ms, { serviceTier, ...(geo === undefined ? {} : { inferenceGeo: geo }) })!;
    for (const tier of ['standard', 'batch', 'priority']) {
      const fees = 10_000_000;
      expect(at('us', tier) - fees).toBe(1.1 * (at(undefined, tier) - fees));
      expect(at('global', tier)).toBe(at(undefined, tier));
      expect(at('us', tier, { ...usage, inferenceGeo: 'global' })).toBe(at(undefined, tier));
      expect(at(undefined, tier, { ...usage, inferenceGeo: 'us' })).toBe(at('us', tier));
    }
    expect(() => book({ ...model, inference_geo_percent: { us: 110.001 } })).toThrow('more than two decimals');
  });

  test('of a region or a contract that cannot be what is meant is an error', () => {
    const rates = { input_usd_per_mtok: 1, output_usd_per_mtok: 2 };
    const eu = (region: object) => () =>
      provider({ region: 'eu', models: { m: { ...rates, regions: { eu: region } } } });
    expect(eu({})).toThrow('A region needs rates or a percent');
    expect(eu({ percent: 110, ...rates })).toThrow('rates of its own or a percent');
    expect(eu({ percent: 110.001 })).toThrow('more than two decimals');
    expect(eu({ input_usd_per_mtok: 1 })).toThrow('input_usd_per_mtok and output_usd_per_mtok');
    expect(() => provider({ discount_percent: 33.333, models: { m: rates } })).toThrow('more than two decimals');
  });

  test('holds from its day on', () => {
    const dated = book({
      input_usd_per_mtok: 2,
      output_usd_per_mtok: 2,
      valid_from: '2026-03-01',
      other_prices: [
        { valid_from: '2026-09-01', input_usd_per_mtok: 1, output_usd_per_mtok: 1 },
        { valid_from: '2026-01-01', input_usd_per_mtok: 4, output_usd_per_mtok: 4 },
      ],
    });
    const on = (day: string) => price(dated, { input: 1000, output: 0 }, Date.parse(day));
    expect(on('2025-12-31T23:59:59.999Z')).toBeUndefined();
    expect(on('2026-01-01T00:00:00Z')).toBe(4_000_000);
    expect(on('2026-03-01T00:00:00Z')).toBe(2_000_000);
    expect(on('2026-08-31T23:59:59.999Z')).toBe(2_000_000);
    expect(on('2027-01-01T00:00:00Z')).toBe(1_000_000);
  });

  test('estimate and settlement meet the same price on both sides of every date', () => {
    const day = (date: string, price: number) => ({
      valid_from: date,
      input_usd_per_mtok: price,
      output_usd_per_mtok: price * 3,
      regions: { eu: { percent: 120 } },
    });
    const dated = provider({
      region: 'eu',
      models: { m: { ...day('2026-03-01', 2), other_prices: [day('2026-09-01', 9), day('2027-01-01', 1)] } },
    }).models[0]!.price!;
    const borders = ['2026-03-01', '2026-09-01', '2027-01-01'].map((date) => Date.parse(date));
    fc.assert(
      fc.property(fc.constantFrom(...borders), fc.integer({ min: -2, max: 2 }), counts, (border, off, c) => {
        const at = border + off;
        const usage = usageOf(c);
        const worst = worstUsage(dated, { input: usage.input!, output: usage.output! }, at);
        const held = price(dated, worst, at);
        const settled = price(dated, usage, at);
        expect(held === undefined).toBe(settled === undefined);
        expect(held ?? 0).toBeGreaterThanOrEqual(settled ?? 0);
        if (border > borders[0]!) expect(settled).toBeDefined();
      }),
    );
  });

  test('stays exact where doubles do not, and ends at the largest exact integer', () => {
    const dear = book({ input_usd_per_mtok: 999_999.999999, output_usd_per_mtok: 0 });
    expect(cost(dear, { input: 1_000_001, output: 0 })).toBe(Number((999_999_999_999n * 1_000_001n + 999n) / 1000n));
    expect(cost(dear, { input: Number.MAX_SAFE_INTEGER, output: 0 })).toBe(Number.MAX_SAFE_INTEGER);
  });

  test('is never negative, whatever a provider tells', () => {
    const anything = fc.option(fc.oneof(fc.integer(), fc.double({ noNaN: false }), fc.nat()), { nil: undefined });
    fc.assert(
      fc.property(
        anyBook,
        fc.record({
          input: anything,
          output: anything,
          cacheRead: anything,
          cacheWrite: anything,
          cacheWrite1h: anything,
          reasoning: anything,
          audioInput: anything,
          audioOutput: anything,
        }),
        (model, told) => {
          const usage = Object.fromEntries(Object.entries(told).filter(([, value]) => value !== undefined)) as Usage;
          const result = price(model, usage, at_ms);
          return result === undefined || (Number.isSafeInteger(result) && result >= 0);
        },
      ),
    );
  });

  test('equals the exact sum of its parts, rounded up', () => {
    const rates: Record<(typeof kinds)[number], [short: bigint, long: bigint]> = {
      fresh: [3_000_000n, 6_000_000n],
      read: [300_000n, 600_000n],
      write: [3_750_000n, 7_500_000n],
      hour: [6_000_000n, 12_000_000n],
      heard: [40_000_000n, 80_000_000n],
      looked: [5_000_000n, 10_000_000n],
      written: [15_000_000n, 22_500_000n],
      thought: [20_000_000n, 30_000_000n],
      spoken: [80_000_000n, 120_000_000n],
      searches: [10_000_000_000n, 10_000_000_000n],
    };
    fc.assert(
      fc.property(counts, (c) => {
        const usage = usageOf(c);
        const column = usage.input! > 200_000 ? 1 : 0;
        const pico = kinds.reduce((sum, kind) => sum + BigInt(c[kind]) * rates[kind][column], 0n);
        expect(BigInt(cost(rich, usage))).toBe((pico + 999n) / 1000n);
        // Hundredths of percents: one division, one rounding.
        const unit = 1000n * 100_000_000n;
        expect(BigInt(cost(contracted, usage))).toBe((pico * 11_000n * 8_750n + unit - 1n) / unit);
      }),
    );
  });

  test('never falls when a call grows in any kind of token', () => {
    fc.assert(
      fc.property(anyBook, counts, fc.constantFrom(...kinds), fc.nat(300_000), tier, (model, c, kind, more, t) => {
        const grown = { ...c, [kind]: c[kind] + more };
        return cost(model, usageOf(grown), t) >= cost(model, usageOf(c), t);
      }),
    );
  });

  test('of two calls together is at most a nano-dollar off theirs, below the long context', () => {
    const small = fc.record(Object.fromEntries(kinds.map((kind) => [kind, fc.nat(15_000)]))) as fc.Arbitrary<Counts>;
    fc.assert(
      fc.property(anyBook, small, small, tier, (model, a, b, t) => {
        const both = Object.fromEntries(kinds.map((kind) => [kind, a[kind] + b[kind]])) as Counts;
        const apart = cost(model, usageOf(a), t) + cost(model, usageOf(b), t);
        const together = cost(model, usageOf(both), t);
        return together <= apart && apart <= together + 1;
      }),
    );
  });

  test('estimated with the same usage is the price settled', () => {
    fc.assert(
      fc.property(anyBook, counts, tier, (model, c, t) => {
        const told = t === undefined ? usageOf(c) : { ...usageOf(c), serviceTier: t };
        expect(cost(model, told)).toBe(cost(model, usageOf(c), t));
      }),
    );
  });
});

describe('the worst case', () => {
  test('covers every usage within its bounds', () => {
    fc.assert(
      fc.property(anyBook, counts, fc.nat(1000), fc.nat(1000), tier, (model, c, slackIn, slackOut, t) => {
        const usage = usageOf(c);
        const bounds = {
          input: usage.input! + slackIn,
          output: usage.output! + slackOut,
          audio: true,
          images: true,
          toolCalls: usage.toolCalls!,
        };
        const options = t === undefined ? {} : { serviceTier: t };
        const held = price(model, worstUsage(model, bounds, at_ms, options), at_ms, options)!;
        // Asked for a tier: answered by it, or by the standard one.
        return held >= cost(model, usage, t) && held >= cost(model, { ...usage, serviceTier: 'default' });
      }),
    );
  });

  test('is no dearer than it must be', () => {
    const held = (bounds: object) =>
      cost(rich, worstUsage(rich, { input: 1000, output: 1000, ...bounds }, at_ms)) / 1e9;
    expect(held({})).toBeCloseTo(0.006 + 0.02, 9);
    expect(held({ cacheWrites: false })).toBeCloseTo(0.003 + 0.02, 9);
    expect(held({ audio: true })).toBeCloseTo(0.04 + 0.08, 9);
    expect(held({ images: true, cacheWrites: false })).toBeCloseTo(0.005 + 0.02, 9);
    expect(worstUsage(plain, { input: 10, output: 5 }, at_ms)).toEqual({ input: 10, output: 5 });
  });
});

describe('the version of a price book', () => {
  const models = { a: { input_usd_per_mtok: 1, output_usd_per_mtok: 2 }, b: {} };
  const one = () => provider({ id: 'one', models });
  const two = () => provider({ id: 'two', models });

  test('is the same for the same prices in any order, and another for another price', () => {
    const version = priceBookVersion([one(), two()]);
    expect(version).toMatch(/^[0-9a-f]{16}$/);
    expect(priceBookVersion([two(), one()])).toBe(version);
    const changed = provider({
      id: 'two',
      models: { ...models, a: { input_usd_per_mtok: 1, output_usd_per_mtok: 2.000001 } },
    });
    expect(priceBookVersion([one(), changed])).not.toBe(version);
    const priced = provider({ id: 'two', models: { ...models, b: { input_usd_per_mtok: 0, output_usd_per_mtok: 0 } } });
    expect(priceBookVersion([one(), priced])).not.toBe(version);
  });
});
