import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { keeps } from '../../src/config/keeps.ts';
import { pdpSchema } from '../../src/config/pdp.ts';
import { gatewaySchema } from '../../src/config/schema.ts';
import type { Shape } from '../../src/config/shape.ts';
import { findings } from '../../src/config/validate.ts';
import { providerSchema } from '../../src/providers/index.ts';

interface Bounds extends Shape {
  readonly minimum?: number;
  readonly exclusiveMinimum?: number;
  readonly maximum?: number;
  readonly pattern?: string;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly required?: readonly string[];
}

/** What may stand where something else is meant. */
const stray = fc.oneof(
  fc.constantFrom<unknown>(null, true, '', 'x', '-1', 0, -1, 0.5, 1e308, 2 ** 53, Number.NaN, Number.POSITIVE_INFINITY),
  fc.constantFrom<unknown>('2026-02-30T00:00:00Z', '2026-01-01', '\u{1f600}', [], {}, [null], { x: 1 }, ['x', 'x']),
);

/** Values about a shape. With `loose` each part may be something else. */
function about(shape: Bounds, loose: boolean): fc.Arbitrary<unknown> {
  return fc.oneof({ arbitrary: meant(shape, loose), weight: 60 }, { arbitrary: stray, weight: loose ? 1 : 0 });
}

function meant(shape: Bounds, loose: boolean): fc.Arbitrary<unknown> {
  if (shape.const !== undefined) return fc.constant(shape.const);
  if (shape.enum !== undefined) return fc.constantFrom(...shape.enum);
  if (shape.anyOf !== undefined) return fc.oneof(...shape.anyOf.map((option) => about(option, loose)));
  const given = shape.default === undefined ? [] : [fc.constant(shape.default)];
  switch (shape.type) {
    case 'object':
      return objectAbout(shape, loose);
    case 'array':
      return fc.oneof(fc.array(about(shape.items ?? {}, loose), { minLength: 1, maxLength: 2 }));
    case 'boolean':
      return fc.boolean();
    case 'integer':
    case 'number': {
      const { minimum = 0, maximum = 2 ** 31, exclusiveMinimum = minimum } = shape;
      const edges = [minimum, maximum, exclusiveMinimum, minimum + 1, maximum + 1, minimum - 1, minimum + 0.5];
      return fc.oneof(
        { arbitrary: fc.constant(Math.min(minimum + 1, maximum)), weight: 30 },
        fc.constantFrom(...edges),
      );
    }
    case 'string': {
      const { minLength = 0, maxLength = 64 } = shape;
      const likely = [
        'a',
        'team',
        'http://a.example',
        'Europe/Berlin',
        '2026-01-01T00:00:00Z',
        '10.0.0.0/8',
        '1m',
        '/x',
      ];
      const lengths = [minLength - 1, minLength, maxLength, maxLength + 1].map((length) =>
        '\u{1f600}'.repeat(Math.max(0, length)),
      );
      const right = likely.filter((text) => keeps(shape, text));
      return fc.oneof(
        ...given,
        { arbitrary: fc.constantFrom(...(right.length === 0 ? likely : right)), weight: 30 },
        { arbitrary: fc.constantFrom(...likely, ...lengths), weight: loose ? 1 : 0 },
      );
    }
    default:
      return stray;
  }
}

/** Mostly what must be there, sometimes what may, and rarely a key that is unknown, inherited or missing. */
function objectAbout(shape: Bounds, loose: boolean): fc.Arbitrary<unknown> {
  const named = Object.entries(shape.properties ?? {});
  const others = [...Object.values(shape.patternProperties ?? {}), shape.additionalProperties].filter(
    (one) => typeof one === 'object',
  );
  const known = fc
    .subarray(
      named.map(([key]) => key),
      { maxLength: Math.min(4, named.length) },
    )
    .chain((picked) => {
      const keys = new Set([...(shape.required ?? []), ...picked]);
      return fc.record(
        Object.fromEntries(named.filter(([key]) => keys.has(key)).map(([key, one]) => [key, about(one, loose)])),
      );
    });
  const anyName = fc.constantFrom('a', 'gpt-4o', 'A b', '', '__proto__', 'constructor', 'toString', '1');
  const free = others.length === 0 ? [] : [fc.tuple(anyName, fc.oneof(...others.map((one) => about(one, loose))))];
  const odd = fc.tuple(anyName, stray);
  const more = free.length === 0 ? fc.constant([]) : fc.array(fc.oneof(...free), { maxLength: 2 });
  const rest = fc.oneof(
    { arbitrary: more, weight: 30 },
    { arbitrary: fc.array(odd, { minLength: 1, maxLength: 1 }), weight: loose ? 1 : 0 },
  );
  const without = fc.oneof({ arbitrary: fc.constant(-1), weight: 30 }, { arbitrary: fc.nat(3), weight: loose ? 1 : 0 });
  return fc.tuple(known, rest, without).map(([object, pairs, gone]) => {
    const entries = [...Object.entries(object), ...pairs];
    return Object.fromEntries(entries.filter((_, at) => at !== gone));
  });
}

describe.each(Object.entries({ gatewaySchema, pdpSchema, providerSchema }))('%s', (_name, schema) => {
  test('is kept to where the compiled schema finds nothing wrong, and nowhere else', () => {
    const seen = { kept: 0, not: 0 };
    fc.assert(
      fc.property(fc.oneof(about(schema as Bounds, false), about(schema as Bounds, true)), (value) => {
        const kept = keeps(schema as Shape, value);
        seen[kept ? 'kept' : 'not'] += 1;
        expect(kept).toBe(findings(schema, value).length === 0);
      }),
      { numRuns: 100 },
    );
    expect(Math.min(seen.kept, seen.not)).toBeGreaterThan(5);
  }, 60_000);
});

test('nobody is sure of what a schema says that is not known here', () => {
  expect(keeps({ type: 'array' }, [1, 1])).toBe(true);
  expect(keeps({ type: 'array', uniqueItems: true } as Shape, [1])).toBe(false);
  expect(keeps({ type: 'string', format: 'uri' }, 'http://a.example')).toBe(false);
});

test('no number is without end: a time of .inf would be one of a millisecond', () => {
  for (const type of ['integer', 'number']) {
    const [told] = findings({ type }, Number.POSITIVE_INFINITY);
    expect([type, keeps({ type }, Number.POSITIVE_INFINITY), told?.message]).toEqual([
      type,
      false,
      `must be ${type === 'integer' ? 'a whole number' : 'a number'}`,
    ]);
  }
});
