/** The part of JSON Schema that our schemas are made of. */
export interface Shape {
  readonly type?: string;
  readonly format?: string;
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
  readonly default?: unknown;
  readonly properties?: Readonly<Record<string, Shape>>;
  readonly patternProperties?: Readonly<Record<string, Shape>>;
  readonly additionalProperties?: boolean | Shape;
  readonly items?: Shape;
  readonly anyOf?: readonly Shape[];
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function jsonType(value: unknown): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'array';
  return typeof value;
}

function fits(shape: Shape, value: unknown): boolean {
  if (shape.const !== undefined) return shape.const === value;
  const type = jsonType(value);
  const known = shape.type === undefined || shape.type === type || (shape.type === 'integer' && type === 'number');
  if (!known || !isRecord(value)) return known;
  return Object.entries(shape.properties ?? {}).every(
    ([key, property]) => property.const === undefined || property.const === value[key],
  );
}

/** Which alternative of a union the value means: by its type, and among objects by their constant properties. */
export function alternative(shape: Shape, value: unknown): number {
  return shape.anyOf?.findIndex((option) => fits(option, value)) ?? -1;
}

/** The shape a value is judged by: itself, or the alternative of a union the value means. */
export function shapeFor(shape: Shape | undefined, value: unknown): Shape | undefined {
  if (shape?.anyOf === undefined) return shape;
  return shapeFor(shape.anyOf[alternative(shape, value)], value);
}

/** The shape of one property; undefined where the key is unknown. */
export function propertyShape(shape: Shape | undefined, key: string): Shape | undefined {
  const named = shape?.properties;
  if (named !== undefined && Object.hasOwn(named, key)) return named[key];
  for (const [pattern, patterned] of Object.entries(shape?.patternProperties ?? {})) {
    if (new RegExp(pattern, 'u').test(key)) return patterned;
  }
  return typeof shape?.additionalProperties === 'object' ? shape.additionalProperties : undefined;
}
