import type { Path } from './document.ts';
import { isRecord, propertyShape, type Shape, shapeFor } from './shape.ts';

/** Called for each value that is neither a mapping nor a list; what it returns takes the value's place. */
export type Leaf = (value: unknown, shape: Shape | undefined, path: Path) => unknown;

/** A copy of a value with every leaf replaced, each beside the shape it is judged by. */
export function mapLeaves(value: unknown, shape: Shape | undefined, leaf: Leaf, path: Path = []): unknown {
  const own = shapeFor(shape, value);
  if (Array.isArray(value)) return value.map((item, index) => mapLeaves(item, own?.items, leaf, [...path, index]));
  if (!isRecord(value)) return leaf(value, own ?? shape, path);
  const entries = Object.entries(value);
  return Object.fromEntries(
    entries.map(([key, item]) => [key, mapLeaves(item, propertyShape(own, key), leaf, [...path, key])]),
  );
}

/** A copy with each absent key that has a default filled in, at any depth. An empty mapping value (`server:`) is absent. */
export function withDefaults(value: unknown, shape: Shape | undefined): unknown {
  const own = shapeFor(shape, value);
  if (Array.isArray(value)) return value.map((item) => withDefaults(item, own?.items));
  if (!isRecord(value)) return value;
  const entries = Object.entries(value)
    .filter(([, item]) => item !== null)
    .map(([key, item]): [string, unknown] => [key, withDefaults(item, propertyShape(own, key))]);
  const present = new Set(entries.map(([key]) => key));
  for (const [key, property] of Object.entries(own?.properties ?? {})) {
    if (!present.has(key) && property.default !== undefined) {
      entries.push([key, withDefaults(structuredClone(property.default), property)]);
    }
  }
  return Object.fromEntries(entries);
}

/** Freezes a value and all it holds. */
export function deepFreeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value);
    for (const item of Object.values(value)) deepFreeze(item);
  }
  return value;
}
