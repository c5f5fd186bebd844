import { Unable } from '../unable.ts';
import { add, divide, dividePlain, multiply, negate, remainder, remainderPlain, subtract } from './arithmetic.ts';
import { base64Of, bytesOfBase64 } from './base64.ts';
import { collectionFunctions, indexed, optionalAt } from './collections.ts';
import { numbersOf, toBool, toBytes, toDouble, toDuration, toInt, toText, toTimestamp, toUint } from './conversions.ts';
import { equals, holds, order } from './equality.ts';
import { format } from './format.ts';
import { mathFunctions } from './math.ts';
import { matches } from './regex.ts';
import * as strings from './strings.ts';
import { timeField, timeFields } from './time.ts';
import { type Dialect, isMap, sizeOf, TypeValue, typeNameOf, wholeIn, wholeOf } from './values.ts';

/** A function on values that are there; undefined where it does not work on their types. */
export type Implementation = (...args: readonly unknown[]) => unknown;

const tables = new Map<Dialect, ReadonlyMap<string, Implementation>>();

/** The library by name and number of arguments: `size/1`, a method with a dot before it: `.size/1`. */
export function libraryOf(dialect: Dialect): ReadonlyMap<string, Implementation> {
  const known = tables.get(dialect);
  if (known !== undefined) return known;
  const table = new Map(
    Object.entries({
      ...operators(dialect),
      ...conversions(dialect),
      ...textFunctions(dialect),
      ...timeFunctions(dialect),
      ...mathFunctions(dialect),
      ...collectionFunctions(dialect),
    }),
  );
  tables.set(dialect, table);
  return table;
}

function operators(dialect: Dialect): Readonly<Record<string, Implementation>> {
  const plain = dialect === 'policy';
  const ordering =
    (wanted: (order: number) => boolean): Implementation =>
    (a, b) => {
      const found = order(a, b);
      return found === undefined ? undefined : wanted(found);
    };
  const negated = (value: unknown) => (typeof value === 'boolean' ? !value : value);
  return {
    '_+_/2': add,
    '_-_/2': subtract,
    '_*_/2': multiply,
    '_/_/2': plain ? dividePlain : divide,
    '_%_/2': plain ? remainderPlain : remainder,
    '-_/1': negate,
    '_==_/2': equals,
    '_!=_/2': (a, b) => negated(equals(a, b)),
    '_<_/2': ordering((found) => found < 0),
    '_<=_/2': ordering((found) => found <= 0),
    '_>_/2': ordering((found) => found > 0),
    '_>=_/2': ordering((found) => found >= 0),
    '@in/2': (value, container) => holds(container, value),
    '_[_]/2': indexed(dialect),
    '_[?_]/2': optionalAt,
  };
}

function conversions(dialect: Dialect): Readonly<Record<string, Implementation>> {
  return {
    'int/1': numbersOf(toInt, dialect),
    'uint/1': numbersOf(toUint, dialect),
    'double/1': toDouble,
    'string/1': toText,
    'bytes/1': toBytes,
    'bool/1': toBool,
    'timestamp/1': toTimestamp,
    'duration/1': toDuration,
    'dyn/1': (value) => value,
    'type/1': (value) => new TypeValue(typeNameOf(value)),
    'base64.encode/1': (value) => (value instanceof Uint8Array ? base64Of(value) : undefined),
    'base64.decode/1': (value) => (typeof value === 'string' ? bytesOfBase64(value) : undefined),
  };
}

function textFunctions(dialect: Dialect): Readonly<Record<string, Implementation>> {
  const whole = (value: unknown) => wholeOf(dialect, value);
  const number = (value: unknown) => (typeof value === 'number' ? wholeIn(dialect, value) : value);
  const size: Implementation = (value) => {
    if (typeof value === 'string') return wholeIn(dialect, strings.lengthOf(value));
    if (Array.isArray(value) || value instanceof Uint8Array) return wholeIn(dialect, value.length);
    return isMap(value) ? wholeIn(dialect, sizeOf(value)) : undefined;
  };
  const one =
    (compute: (text: string) => unknown): Implementation =>
    (text) =>
      typeof text === 'string' ? compute(text) : undefined;
  const two =
    (compute: (text: string, other: string) => unknown): Implementation =>
    (text, other) =>
      typeof text === 'string' && typeof other === 'string' ? compute(text, other) : undefined;
  // A text, another, and a number that may be missing.
  const counted =
    (compute: (text: string, other: string, count: number) => unknown): Implementation =>
    (text, other, count) => {
      const given = whole(count);
      return typeof text === 'string' && typeof other === 'string' && given !== undefined
        ? compute(text, other, given)
        : undefined;
    };
  return {
    'size/1': size,
    '.size/1': size,
    '.contains/2': two((text, part) => text.includes(part)),
    '.startsWith/2': two((text, part) => text.startsWith(part)),
    '.endsWith/2': two((text, part) => text.endsWith(part)),
    '.matches/2': two(matches),
    'matches/2': two(matches),
    '.charAt/2': (text, index) => {
      const place = whole(index);
      return typeof text === 'string' && place !== undefined ? strings.charAt(text, place) : undefined;
    },
    '.indexOf/2': two((text, part) => number(strings.indexOf(text, part))),
    '.indexOf/3': counted((text, part, from) => number(strings.indexOf(text, part, from))),
    '.lastIndexOf/2': two((text, part) => number(strings.lastIndexOf(text, part))),
    '.lastIndexOf/3': counted((text, part, from) => number(strings.lastIndexOf(text, part, from))),
    '.lowerAscii/1': one(strings.lowerAscii),
    '.upperAscii/1': one(strings.upperAscii),
    '.trim/1': one(strings.trim),
    '.replace/3': (text, old, by) =>
      typeof text === 'string' && typeof old === 'string' && typeof by === 'string'
        ? strings.replace(text, old, by)
        : undefined,
    '.replace/4': (text, old, by, count) => {
      const most = whole(count);
      return typeof text === 'string' && typeof old === 'string' && typeof by === 'string' && most !== undefined
        ? strings.replace(text, old, by, most)
        : undefined;
    },
    '.split/2': two((text, by) => strings.split(text, by)),
    '.split/3': counted(strings.split),
    '.substring/2': (text, from) => {
      const start = whole(from);
      return typeof text === 'string' && start !== undefined ? strings.substring(text, start) : undefined;
    },
    '.substring/3': (text, from, to) => {
      const [start, end] = [whole(from), whole(to)];
      return typeof text === 'string' && start !== undefined && end !== undefined
        ? strings.substring(text, start, end)
        : undefined;
    },
    '.join/1': (list) => (Array.isArray(list) ? strings.join(list, '') : undefined),
    '.join/2': (list, by) => (Array.isArray(list) && typeof by === 'string' ? strings.join(list, by) : undefined),
    '.reverse/1': (value) =>
      typeof value === 'string' ? strings.reversed(value) : Array.isArray(value) ? [...value].reverse() : undefined,
    '.format/2': (pattern, values) =>
      typeof pattern === 'string' && Array.isArray(values) ? format(pattern, values) : undefined,
    'strings.quote/1': one(strings.quote),
  };
}

function timeFunctions(dialect: Dialect): Readonly<Record<string, Implementation>> {
  const read = (name: string, of: unknown, zone: unknown) => {
    if (zone !== undefined && typeof zone !== 'string') return undefined;
    const found = timeField(name, of, zone);
    return found instanceof Unable || found === undefined ? found : wholeIn(dialect, found);
  };
  return Object.fromEntries(
    timeFields.flatMap((name): (readonly [string, Implementation])[] => [
      [`.${name}/1`, (of) => read(name, of, undefined)],
      [`.${name}/2`, (of, zone) => (typeof zone === 'string' ? read(name, of, zone) : undefined)],
    ]),
  );
}
