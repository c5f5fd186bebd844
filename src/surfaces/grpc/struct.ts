import { Failure } from '../../exchange/index.ts';

/** `google.protobuf.Value` as the loader reads and writes it. */
export interface Value {
  readonly kind?: string;
  readonly nullValue?: unknown;
  readonly numberValue?: number;
  readonly stringValue?: string;
  readonly boolValue?: boolean;
  readonly structValue?: Struct | null;
  readonly listValue?: { readonly values?: readonly Value[] } | null;
}

/** `google.protobuf.Struct`: JSON whose numbers are doubles. */
export interface Struct {
  readonly fields?: Readonly<Record<string, Value>>;
}

/** A level of JSON is three of protobuf, whose reader takes a hundred. */
const depth_max = 32;

/** An object as a struct; members without a value are left out, as in JSON. */
export function structOf(object: object): Struct {
  const fields = Object.entries(object)
    .filter(([, member]) => member !== undefined)
    .map(([name, member]): [string, Value] => [name, wrapped(member)]);
  return { fields: Object.fromEntries(fields) };
}

function wrapped(value: unknown): Value {
  switch (typeof value) {
    case 'string':
      return { stringValue: value };
    case 'boolean':
      return { boolValue: value };
    case 'number':
      // What JSON writes of numbers it has no words for.
      return Number.isFinite(value) ? { numberValue: value } : { nullValue: 0 };
    case 'object':
      if (value === null) return { nullValue: 0 };
      return Array.isArray(value)
        ? { listValue: { values: value.map(wrapped) } }
        : { structValue: structOf(value as object) };
    default:
      return { nullValue: 0 };
  }
}

/** The plain object a struct stands for. Throws `invalid_request` for one that is nested too deep, or has a value of no kind. */
export function objectOf(struct: Struct, depth = depth_max): Record<string, unknown> {
  if (depth === 0) throw new Failure('invalid_request', `The context is nested deeper than ${depth_max} levels.`);
  const entries = Object.entries(struct.fields ?? {});
  return Object.fromEntries(entries.map(([name, value]) => [name, plainOf(value, depth - 1)]));
}

function plainOf(value: Value, depth: number): unknown {
  switch (value.kind) {
    case 'nullValue':
      return null;
    case 'numberValue':
      if (!Number.isFinite(value.numberValue)) {
        throw new Failure('invalid_request', 'The context holds a number that JSON cannot say.');
      }
      return value.numberValue;
    case 'stringValue':
      return value.stringValue;
    case 'boolValue':
      return value.boolValue;
    case 'structValue':
      return objectOf(value.structValue ?? {}, depth);
    case 'listValue': {
      if (depth === 0) throw new Failure('invalid_request', `The context is nested deeper than ${depth_max} levels.`);
      return (value.listValue?.values ?? []).map((item) => plainOf(item, depth - 1));
    }
    default:
      throw new Failure('invalid_request', 'The context holds a value of no kind.');
  }
}
