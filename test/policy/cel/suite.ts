import { tests } from '@bufbuild/cel-spec/testdata/conformance.js';
import type { Declared, Environment, Input } from '../../../src/policy/cel/environment.ts';
import { durationText, parseDuration, parseTimestamp, timestampText } from '../../../src/policy/cel/time.ts';
import {
  bool,
  bytes,
  type CelType,
  double,
  duration,
  dyn,
  int,
  listOf,
  mapOf,
  nothing,
  string,
  timestamp,
  type,
  uint,
} from '../../../src/policy/cel/types.ts';
import { CelMap, Duration, entriesOf, isMap, Timestamp, TypeValue, Uint } from '../../../src/policy/cel/values.ts';

type JsonValue = string | number | boolean | null | JsonValue[] | { [key: string]: JsonValue };
type JsonObject = { [key: string]: JsonValue };

/** A case of the specification's suite, in the JSON of its protobuf messages. */
export interface Case {
  readonly name: string;
  readonly expr: string;
  readonly container?: string;
  readonly disableCheck?: boolean;
  readonly checkOnly?: boolean;
  readonly typeEnv?: readonly JsonObject[];
  readonly bindings?: { readonly [name: string]: JsonObject };
  readonly value?: JsonObject;
  readonly evalError?: JsonValue;
  readonly typedResult?: { readonly result?: JsonObject; readonly deducedType?: JsonObject };
}

export interface Section {
  readonly file: string;
  readonly section: string;
  readonly cases: readonly Case[];
}

export const sections: readonly Section[] = (tests.suites ?? []).flatMap((file) =>
  (file.suites ?? []).map((section) => ({
    file: file.name,
    section: section.name,
    cases: (section.tests ?? []).map((one) => ({
      ...(one.original as unknown as Case),
      name: one.original.name ?? one.original.expr,
    })),
  })),
);

const object = (value: JsonValue | undefined) => (value ?? {}) as JsonObject;
const list = (value: JsonValue | undefined) => (value ?? []) as JsonObject[];

/** A `cel.expr.Value` of the suite as a value of ours. */
export function celValueOf(given: JsonObject): unknown {
  const [kind = '', inner = null] = Object.entries(given)[0] ?? [];
  switch (kind) {
    case 'nullValue':
      return null;
    case 'boolValue':
    case 'stringValue':
      return inner;
    case 'int64Value':
      return BigInt(inner as string);
    case 'uint64Value':
      return new Uint(BigInt(inner as string));
    case 'doubleValue':
      return Number(inner);
    case 'bytesValue':
      return Uint8Array.from(Buffer.from(inner as string, 'base64'));
    case 'typeValue':
      return new TypeValue(inner as string);
    case 'listValue':
      return list(object(inner).values).map(celValueOf);
    case 'mapValue': {
      const map = new CelMap();
      for (const entry of list(object(inner).entries))
        map.add(celValueOf(object(entry.key)), celValueOf(object(entry.value)));
      return map;
    }
    case 'objectValue': {
      const name = String(object(inner)['@type']);
      const text = String(object(inner).value);
      if (name.endsWith('.Timestamp')) return parseTimestamp(text);
      if (name.endsWith('.Duration')) return parseDuration(text);
      throw new TypeError(`a message: ${name}`);
    }
    default:
      throw new TypeError(`no value: ${kind}`);
  }
}

/** A value in a form two equal values share, and no others: `1`, `1u` and `1.0` differ, all not-a-numbers are one. */
export function shape(value: unknown): unknown {
  if (typeof value === 'bigint') return { int: value.toString() };
  if (typeof value === 'number') return { double: Object.is(value, -0) ? '0' : String(value) };
  if (value instanceof Uint) return { uint: value.value.toString() };
  if (value instanceof Uint8Array) return { bytes: Buffer.from(value).toString('base64') };
  if (value instanceof Timestamp) return { timestamp: timestampText(value) };
  if (value instanceof Duration) return { duration: durationText(value) };
  if (value instanceof TypeValue) return { type: value.name };
  if (Array.isArray(value)) return value.map(shape);
  if (!isMap(value)) return value;
  const entries = entriesOf(value).map(([key, member]) => [shape(key), shape(member)]);
  return { map: entries.sort((a, b) => (JSON.stringify(a[0]) < JSON.stringify(b[0]) ? -1 : 1)) };
}

const primitives: Readonly<Record<string, CelType>> = {
  BOOL: bool,
  INT64: int,
  UINT64: uint,
  DOUBLE: double,
  STRING: string,
  BYTES: bytes,
};

/** A `cel.expr.Type` of the suite as a type of ours. */
export function typeOf(given: JsonObject): CelType {
  const [kind = '', inner = null] = Object.entries(given)[0] ?? [];
  switch (kind) {
    case 'primitive':
      return primitives[inner as string] ?? dyn;
    case 'null':
      return nothing;
    case 'dyn':
      return dyn;
    case 'type':
      return type;
    case 'wellKnown':
      return inner === 'TIMESTAMP' ? timestamp : inner === 'DURATION' ? duration : dyn;
    case 'messageType':
      if (inner === 'google.protobuf.Timestamp') return timestamp;
      return inner === 'google.protobuf.Duration' ? duration : dyn;
    case 'listType':
      return listOf(typeOf(object(object(inner).elemType)));
    case 'mapType':
      return mapOf(typeOf(object(object(inner).keyType)), typeOf(object(object(inner).valueType)));
    case 'abstractType':
      return { kind: 'opaque', name: String(object(inner).name), of: list(object(inner).parameterTypes).map(typeOf) };
    case 'typeParam':
      return { kind: 'parameter', name: String(inner) };
    default:
      throw new TypeError(`no type: ${kind}`);
  }
}

export function environmentOf(one: Case): Environment {
  const variables = new Map<string, CelType>();
  const functions = new Map<string, Declared>();
  for (const { name, ident, function: declared } of (one.typeEnv ?? []) as JsonObject[]) {
    if (ident !== undefined) variables.set(String(name), typeOf(object(object(ident).type)));
    if (declared === undefined) continue;
    const overloads = list(object(declared).overloads).map((overload) => ({
      method: overload.isInstanceFunction === true,
      parameters: list(overload.params).map(typeOf),
      result: typeOf(object(overload.resultType)),
    }));
    functions.set(String(name), { overloads });
  }
  for (const name of Object.keys(one.bindings ?? {})) if (!variables.has(name)) variables.set(name, dyn);
  return {
    dialect: 'standard',
    ...(one.container === undefined ? {} : { container: one.container }),
    functions,
    lenient: one.disableCheck === true,
    variable: (name) => {
      const of = variables.get(name);
      return of === undefined ? undefined : { name, type: of, read: (input) => input[name] };
    },
  };
}

export function inputOf(one: Case): Input {
  const input: Record<string, unknown> = {};
  for (const [name, { value }] of Object.entries(one.bindings ?? {})) input[name] = celValueOf(object(value));
  return input;
}
