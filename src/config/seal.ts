import { Secret } from '../exchange/index.ts';
import { isSecretShape } from './expand.ts';
import type { Shape } from './shape.ts';
import { deepFreeze, mapLeaves } from './walk.ts';

/** A valid value with its secrets wrapped and everything frozen. `T` is what the schema says. */
export function seal<T>(value: unknown, schema: object): T {
  return deepFreeze(
    mapLeaves(value, schema as Shape, (leaf, shape) =>
      typeof leaf === 'string' && isSecretShape(shape) ? new Secret(leaf) : leaf,
    ),
  ) as T;
}
