import type { CelType } from './types.ts';

/** Names that stand for types as values. */
export const typeNames: ReadonlyMap<string, string> = new Map([
  ...['bool', 'int', 'uint', 'double', 'string', 'bytes', 'list', 'map', 'type', 'null_type', 'optional_type'].map(
    (name) => [name, name] as const,
  ),
  ['google.protobuf.Timestamp', 'google.protobuf.Timestamp'],
  ['google.protobuf.Duration', 'google.protobuf.Duration'],
]);

/** The variables of the macros around a part. */
export interface Scope {
  readonly name: string;
  readonly slot: number;
  readonly type: CelType;
  readonly outer: Scope | undefined;
}

/** The innermost variable of a name. */
export function find(scope: Scope | undefined, name: string): Scope | undefined {
  for (let one = scope; one !== undefined; one = one.outer) if (one.name === name) return one;
  return undefined;
}
