import { Unable } from '../unable.ts';
import { equals, holds, order } from './equality.ts';
import type { Run } from './run.ts';

type Compute = (a: unknown, b: unknown) => unknown;

// In policies: an error stays one, what is missing or of another type compares false.
function settled(compute: Compute, otherwise: boolean): Compute {
  return (a, b) => {
    if (a instanceof Unable) return a;
    if (b instanceof Unable) return b;
    return a === undefined || b === undefined ? otherwise : (compute(a, b) ?? otherwise);
  };
}

const ordering = (wanted: (order: number) => boolean) =>
  settled((a, b) => {
    const found = order(a, b);
    return found === undefined ? undefined : wanted(found);
  }, false);
const less = ordering((found) => found < 0);
const lessOrEqual = ordering((found) => found <= 0);
const greater = ordering((found) => found > 0);
const greaterOrEqual = ordering((found) => found >= 0);
const equal = settled(equals, false);
const unequal = settled((a, b) => {
  const same = equals(a, b);
  return typeof same === 'boolean' ? !same : same;
}, true);
const within = settled((a, b) => holds(b, a), false);

/** A comparison as policies have it, numbers first; undefined for any other operator. */
export function comparisonOf(name: string, a: Run, b: Run): Run | undefined {
  switch (name) {
    case '_<_':
      return (input, frame) => {
        const x = a(input, frame);
        const y = b(input, frame);
        return typeof x === 'number' && typeof y === 'number' ? x < y : less(x, y);
      };
    case '_<=_':
      return (input, frame) => {
        const x = a(input, frame);
        const y = b(input, frame);
        return typeof x === 'number' && typeof y === 'number' ? x <= y : lessOrEqual(x, y);
      };
    case '_>_':
      return (input, frame) => {
        const x = a(input, frame);
        const y = b(input, frame);
        return typeof x === 'number' && typeof y === 'number' ? x > y : greater(x, y);
      };
    case '_>=_':
      return (input, frame) => {
        const x = a(input, frame);
        const y = b(input, frame);
        return typeof x === 'number' && typeof y === 'number' ? x >= y : greaterOrEqual(x, y);
      };
    case '_==_':
      return (input, frame) => {
        const x = a(input, frame);
        const y = b(input, frame);
        return typeof x === 'string' && typeof y === 'string' ? x === y : equal(x, y);
      };
    case '_!=_':
      return (input, frame) => {
        const x = a(input, frame);
        const y = b(input, frame);
        return typeof x === 'string' && typeof y === 'string' ? x !== y : unequal(x, y);
      };
    case '@in':
      return (input, frame) => within(a(input, frame), b(input, frame));
    default:
      return undefined;
  }
}

/** `x in [...]` with a list known at load of texts, numbers and booleans. */
export function memberOf(a: Run, list: readonly unknown[]): Run {
  const values = new Set(list);
  return (input, frame) => {
    const x = a(input, frame);
    return typeof x === 'object' || x === undefined ? within(x, list) : values.has(x);
  };
}
