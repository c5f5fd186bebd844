import { Unable } from '../unable.ts';
import { base64Of, bytesOfBase64 } from './base64.ts';
import { toDouble } from './conversions.ts';
import { durationText, parseDuration, parseTimestamp, timestampText } from './time.ts';
import {
  CelMap,
  Duration,
  entriesOf,
  failed,
  int64,
  isMap,
  none,
  Optional,
  Timestamp,
  TypeValue,
  Uint,
  uint64,
} from './values.ts';

/**
 * A value with its type, as JSON: `{"type": "int", "value": "3"}`. `int`, `uint` and `double` are texts, `bytes` base64,
 * a `list` has values, a `map` pairs of them, times are RFC 3339, durations `"1.5s"`, a `type` is its name.
 */
export interface TypedJson {
  readonly type: string;
  readonly value: unknown;
}

/** Deepest nesting, and most values in one. */
export const typedLimits = { depth: 500, values: 200_000 } as const;

interface Budget {
  left: number;
}

/** A value as typed JSON; an `Unable` where it is too large to write. */
export function typedOf(value: unknown): TypedJson | Unable {
  return written(value, { left: typedLimits.values });
}

function written(value: unknown, budget: Budget): TypedJson | Unable {
  if (--budget.left < 0) return failed('the value is too large to write');
  switch (typeof value) {
    case 'boolean':
      return { type: 'bool', value };
    case 'bigint':
      return { type: 'int', value: value.toString() };
    case 'number':
      return { type: 'double', value: Object.is(value, -0) ? '-0' : String(value) };
    case 'string':
      return { type: 'string', value };
    default:
      break;
  }
  if (value === null) return { type: 'null', value };
  if (value instanceof Unable) return value;
  if (value instanceof Uint) return { type: 'uint', value: value.value.toString() };
  if (value instanceof Uint8Array) return { type: 'bytes', value: base64Of(value) };
  if (value instanceof Timestamp) return { type: 'timestamp', value: timestampText(value) };
  if (value instanceof Duration) return { type: 'duration', value: durationText(value) };
  if (value instanceof TypeValue) return { type: 'type', value: value.name };
  if (value instanceof Optional) {
    const inner = value.present ? written(value.value, budget) : null;
    return inner instanceof Unable ? inner : { type: 'optional', value: inner };
  }
  if (Array.isArray(value))
    return all(
      'list',
      value.map((item) => written(item, budget)),
    );
  if (!isMap(value)) return failed('the value is of no type there is');
  const pairs = entriesOf(value).map(([key, member]) => all('pair', [written(key, budget), written(member, budget)]));
  const whole = all('map', pairs);
  if (whole instanceof Unable) return whole;
  return { type: 'map', value: (whole.value as readonly TypedJson[]).map((pair) => pair.value) };
}

function all(type: string, parts: readonly (TypedJson | Unable)[]): TypedJson | Unable {
  return parts.find((part) => part instanceof Unable) ?? { type, value: parts };
}

/** The value typed JSON stands for; an `Unable` where it stands for none. */
export function valueOfTyped(json: unknown, depth = 0): unknown {
  if (typeof json !== 'object' || json === null || Array.isArray(json) || !('type' in json))
    return failed('a value is {"type": ..., "value": ...}');
  if (depth > typedLimits.depth) return failed(`the value nests deeper than ${typedLimits.depth}`);
  const { type, value } = json as { readonly type: unknown; readonly value?: unknown };
  const wrong = failed(`not a value of type ${String(type).slice(0, 60)}`);
  switch (type) {
    case 'null':
    case 'null_type':
      return null;
    case 'bool':
      return typeof value === 'boolean' ? value : wrong;
    case 'string':
      return typeof value === 'string' ? value : wrong;
    case 'int':
    case 'uint': {
      const text = typeof value === 'number' && Number.isSafeInteger(value) ? String(value) : value;
      if (typeof text !== 'string' || !/^-?\d{1,20}$/.test(text)) return wrong;
      return type === 'int' ? int64(BigInt(text)) : uint64(BigInt(text));
    }
    case 'double':
      return typeof value === 'number' || typeof value === 'string' ? toDouble(value) : wrong;
    case 'bytes':
      return typeof value === 'string' ? bytesOfBase64(value) : wrong;
    case 'timestamp':
      return typeof value === 'string' ? parseTimestamp(value) : wrong;
    case 'duration':
      return typeof value === 'string' ? parseDuration(value) : wrong;
    case 'type':
      return typeof value === 'string' ? new TypeValue(value) : wrong;
    case 'optional': {
      if (value === null || value === undefined) return none;
      const inner = valueOfTyped(value, depth + 1);
      return inner instanceof Unable ? inner : new Optional(true, inner);
    }
    case 'list':
      return Array.isArray(value) ? listOf(value, depth) : wrong;
    case 'map':
      return Array.isArray(value) ? mapOf(value, depth) : wrong;
    default:
      return failed(`unknown type ${String(type).slice(0, 60)}`);
  }
}

function listOf(items: readonly unknown[], depth: number): unknown {
  const list = items.map((item) => valueOfTyped(item, depth + 1));
  return list.find((item) => item instanceof Unable) ?? list;
}

function mapOf(pairs: readonly unknown[], depth: number): unknown {
  const map = new CelMap();
  for (const pair of pairs) {
    if (!Array.isArray(pair) || pair.length !== 2) return failed('a map is a list of pairs');
    const [key, value] = [valueOfTyped(pair[0], depth + 1), valueOfTyped(pair[1], depth + 1)];
    if (key instanceof Unable) return key;
    if (value instanceof Unable) return value;
    const fault = map.add(key, value);
    if (fault !== undefined) return fault;
  }
  return map;
}

/** A value as plain JSON: times, durations and types as texts, bytes as base64, a map's keys as texts. */
export function plainOf(value: unknown): unknown {
  return plain(value, { left: typedLimits.values });
}

function plain(value: unknown, budget: Budget): unknown {
  if (--budget.left < 0) return failed('the value is too large to write');
  if (Array.isArray(value)) {
    const list = value.map((item) => plain(item, budget));
    return list.find((item) => item instanceof Unable) ?? list;
  }
  if (isMap(value)) {
    const entries = entriesOf(value).map(
      ([key, member]) => [String(plain(key, budget)), plain(member, budget)] as const,
    );
    return entries.find(([, member]) => member instanceof Unable)?.[1] ?? Object.fromEntries(entries);
  }
  if (value instanceof Optional) return value.present ? plain(value.value, budget) : null;
  if (typeof value === 'number') return Number.isFinite(value) ? value : String(value);
  if (typeof value !== 'object' || value === null || value instanceof Unable) return value;
  const typed = written(value, budget);
  return typed instanceof Unable ? typed : typed.value;
}
