import { Unable } from '../unable.ts';
import { madeMax } from './arithmetic.ts';
import { equals, holds, isZero, order } from './equality.ts';
import {
  type CelError,
  type Dialect,
  failed,
  isMap,
  none,
  Optional,
  Uint,
  valueAt,
  wholeIn,
  wholeOf,
} from './values.ts';

type Function = (...args: readonly unknown[]) => unknown;

const noKey = failed('no such key');

/** A list's element or a map's value: `missing` where there is none. Undefined where there is nothing to look into. */
export function at(container: unknown, index: unknown, missing: unknown): unknown {
  if (container instanceof Optional) {
    if (!container.present) return none;
    const found = at(container.value, index, none);
    return found === none || found === undefined || found instanceof Unable ? found : new Optional(true, found);
  }
  if (Array.isArray(container)) {
    const place = placeOf(index);
    if (place === undefined) return undefined;
    return place >= 0 && place < container.length && Number.isInteger(place) ? container[place] : missing;
  }
  if (!isMap(container)) return undefined;
  const value = valueAt(container, index);
  return value === undefined ? missing : value;
}

function placeOf(index: unknown): number | undefined {
  if (typeof index === 'number') return index;
  return typeof index === 'bigint' ? Number(index) : index instanceof Uint ? Number(index.value) : undefined;
}

/** `a[b]` and `a.b`. In policies what is not there is missing. */
export function indexed(dialect: Dialect): (container: unknown, index: unknown) => unknown {
  if (dialect === 'policy') return (container, index) => at(container, index, undefined);
  return (container, index) => at(container, index, Array.isArray(container) ? failed('index out of range') : noKey);
}

/** `a[?b]` and `a.?b`. */
export function optionalAt(container: unknown, index: unknown): unknown {
  const found = at(container, index, none);
  return found === none || found === undefined || found instanceof Unable || container instanceof Optional
    ? found
    : new Optional(true, found);
}

function eachEquals(a: readonly unknown[], b: readonly unknown[]): boolean | CelError {
  for (const one of b) {
    const found = holds(a, one);
    if (found !== true) return found ?? false;
  }
  return true;
}

function lists(compute: (a: readonly unknown[], b: readonly unknown[]) => unknown): Function {
  return (a, b) => {
    if (!Array.isArray(a) || !Array.isArray(b)) return undefined;
    return a.length * b.length > 1_000_000 ? failed('the lists are too long to compare') : compute(a, b);
  };
}

function distinct(list: readonly unknown[]): readonly unknown[] | CelError {
  const scalars = new Set<unknown>();
  const kept: unknown[] = [];
  let compared = 0;
  for (const item of list) {
    if (typeof item === 'string' || typeof item === 'boolean') {
      if (scalars.has(item)) continue;
      scalars.add(item);
    } else {
      compared += kept.length;
      if (compared > 1_000_000) return failed('the list is too long');
      if (kept.some((one) => equals(one, item) === true)) continue;
    }
    kept.push(item);
  }
  return kept;
}

function sorted(list: readonly unknown[]): readonly unknown[] | undefined {
  if (list.some((item) => order(item, list[0]) === undefined)) return undefined;
  return [...list].sort((a, b) => order(a, b) || 0);
}

function flatten(list: readonly unknown[], depth: number): readonly unknown[] | CelError {
  let flat: readonly unknown[] = list;
  for (let level = 0; level < depth && flat.some(Array.isArray); level++) {
    const length = flat.reduce<number>((sum, item) => sum + (Array.isArray(item) ? item.length : 1), 0);
    if (length > madeMax.list) return failed('the list would be too long');
    flat = flat.flat();
  }
  return flat;
}

/** Functions on lists, sets and optionals, methods with a dot before the name. */
export function collectionFunctions(dialect: Dialect): Readonly<Record<string, Function>> {
  const whole = (value: unknown) => wholeOf(dialect, value);
  const ofList =
    (compute: (list: readonly unknown[]) => unknown): Function =>
    (list) =>
      Array.isArray(list) ? compute(list) : undefined;
  return {
    'sets.contains/2': lists(eachEquals),
    'sets.equivalent/2': lists((a, b) => (eachEquals(a, b) === true ? eachEquals(b, a) : eachEquals(a, b))),
    'sets.intersects/2': lists((a, b) => b.some((one) => holds(a, one) === true)),
    'lists.range/1': (count) => {
      const length = whole(count);
      if (length === undefined) return undefined;
      return length > madeMax.list
        ? failed('the list would be too long')
        : Array.from({ length: Math.max(0, length) }, (_, i) => wholeIn(dialect, i));
    },
    '.slice/3': (list, from, to) => {
      const [start, end] = [whole(from), whole(to)];
      if (!Array.isArray(list) || start === undefined || end === undefined) return undefined;
      return start < 0 || end > list.length || start > end ? failed('index out of range') : list.slice(start, end);
    },
    '.flatten/1': ofList((list) => flatten(list, 1)),
    '.flatten/2': (list, depth) => {
      const levels = whole(depth);
      if (!Array.isArray(list) || levels === undefined) return undefined;
      return levels < 0 ? failed('a depth is not negative') : flatten(list, levels);
    },
    '.distinct/1': ofList(distinct),
    '.sort/1': ofList(sorted),
    '.first/1': ofList((list) => (list.length === 0 ? none : new Optional(true, list[0]))),
    '.last/1': ofList((list) => (list.length === 0 ? none : new Optional(true, list.at(-1)))),
    'optional.of/1': (value) => new Optional(true, value),
    'optional.none/0': () => none,
    'optional.ofNonZeroValue/1': (value) => (isZero(value) ? none : new Optional(true, value)),
    '.hasValue/1': (optional) => (optional instanceof Optional ? optional.present : undefined),
    '.value/1': (optional) =>
      optional instanceof Optional
        ? optional.present
          ? optional.value
          : failed('optional.none() has no value')
        : undefined,
  };
}
