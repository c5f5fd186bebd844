import type { Json } from './policy.ts';
import { nearest } from './problem.ts';
import { isObject, type JsonObject, type Reader } from './reader.ts';
import type { Path } from './source.ts';
import type { Params } from './template.ts';

/** What a parameter may be. `list`: of texts or of numbers. */
export type ParamType = 'string' | 'number' | 'boolean' | 'list';
export const paramTypes: readonly ParamType[] = ['string', 'number', 'boolean', 'list'];

/** A parameter as it is declared. */
export interface ParamDeclaration {
  readonly type: ParamType;
  readonly default: Json | undefined;
  readonly choices: readonly Json[] | undefined;
}

export type Declarations = ReadonlyMap<string, ParamDeclaration>;

const nameShape = /^[A-Za-z_]\w{0,63}$/;
const declared = ['type', 'default', 'enum', 'description'];

/** The type of a value; undefined where it cannot be a parameter's. */
export function paramType(value: Json): ParamType | undefined {
  if (typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean')
    return typeof value as ParamType;
  const list =
    Array.isArray(value) && value.every((item: Json) => typeof item === 'string' || typeof item === 'number');
  return list ? 'list' : undefined;
}

/**
 * Parameters by name: a value, of which the type is inferred, or `{ type, default, enum, description }`. With `short` a
 * type's name alone declares one (`tokens: number`).
 */
export function readDeclarations(value: Json | undefined, path: Path, reader: Reader, short = false): Declarations {
  const found = new Map<string, ParamDeclaration>();
  if (value === undefined) return found;
  if (!isObject(value)) {
    reader.fault(path, 'params must be a mapping of names to values');
    return found;
  }
  for (const [name, given] of Object.entries(value)) {
    const place = [...path, name];
    if (!nameShape.test(name)) reader.fault(place, `${name} is no name for a parameter`, undefined, 'key');
    const one = readDeclaration(given, place, reader, short);
    if (one !== undefined) found.set(name, one);
  }
  return found;
}

function readDeclaration(given: Json, path: Path, reader: Reader, short: boolean): ParamDeclaration | undefined {
  if (!isObject(given)) {
    const named = short ? paramTypes.find((type) => type === given) : undefined;
    if (named !== undefined) return { type: named, default: undefined, choices: undefined };
    const type = paramType(given);
    if (type === undefined) reader.fault(path, 'a parameter is a text, a number, true or false, or a list');
    return type === undefined ? undefined : { type, default: given, choices: undefined };
  }
  const { default: value, ...rest } = reader.object(given, path, declared);
  const type =
    reader.oneOf(rest.type, [...path, 'type'], paramTypes) ?? (value === undefined ? undefined : paramType(value));
  if (type === undefined) {
    if (rest.type === undefined) reader.fault(path, `a parameter needs a type (${paramTypes.join(', ')}) or a default`);
    return undefined;
  }
  reader.text(rest.description, [...path, 'description']);
  const choices = Array.isArray(rest.enum) ? (rest.enum as readonly Json[]) : undefined;
  if (
    rest.enum !== undefined &&
    (choices === undefined || choices.length === 0 || choices.some((one) => paramType(one) !== type))
  )
    reader.fault([...path, 'enum'], `enum must be a list of values of type ${type}`);
  const one = { type, default: value, choices };
  if (value !== undefined) checkParam(value, one, [...path, 'default'], reader);
  return one;
}

/** Whether a value fits a parameter; a problem where it does not. */
export function checkParam(value: Json, { type, choices }: ParamDeclaration, path: Path, reader: Reader): boolean {
  const name = String(path.at(-1));
  if (paramType(value) !== type) {
    reader.fault(path, `the parameter ${name} must be of type ${type}`);
    return false;
  }
  if (choices === undefined || choices.some((one) => JSON.stringify(one) === JSON.stringify(value))) return true;
  reader.fault(path, `the parameter ${name} must be one of ${choices.map((one) => JSON.stringify(one)).join(', ')}`);
  return false;
}

/** The values of a policy's parameters: each needs one. */
export function defaultsOf(declarations: Declarations, path: Path, reader: Reader): Params {
  const values: Record<string, Json> = {};
  for (const [name, { default: value }] of declarations) {
    if (value === undefined) reader.fault([...path, name], `the parameter ${name} needs a default`);
    else values[name] = value;
  }
  return values;
}

/** The values a template is used with: those given, each of its type, and the defaults of the others. */
export function givenValues(given: Json | undefined, declarations: Declarations, path: Path, reader: Reader): Params {
  if (given !== undefined && !isObject(given)) reader.fault(path, 'with must be a mapping of parameters to values');
  const mapping: JsonObject = isObject(given) ? given : {};
  for (const name of Object.keys(mapping)) {
    if (declarations.has(name)) continue;
    reader.fault([...path, name], `unknown parameter ${name}`, nearest(name, [...declarations.keys()]), 'key');
  }
  const values: Record<string, Json> = {};
  for (const [name, declaration] of declarations) {
    const value = Object.hasOwn(mapping, name) ? mapping[name] : undefined;
    if (value !== undefined) {
      if (checkParam(value, declaration, [...path, name], reader)) values[name] = value;
    } else if (declaration.default !== undefined) values[name] = declaration.default;
    else reader.fault(path, `the parameter ${name} is missing`);
  }
  return values;
}
