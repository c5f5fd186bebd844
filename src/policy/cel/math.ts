import { order } from './equality.ts';
import { type Dialect, failed, int64, Uint, wholeIn } from './values.ts';

type Function = (...args: readonly unknown[]) => unknown;

/** Half away from zero, where JavaScript rounds halves up. */
function round(value: number): number {
  return Math.sign(value) * Math.round(Math.abs(value));
}

function onNumbers(compute: (value: number) => unknown): Function {
  return (value) => (typeof value === 'number' ? compute(value) : undefined);
}

function isNumeric(value: unknown): boolean {
  return typeof value === 'number' || typeof value === 'bigint' || value instanceof Uint;
}

/** The greatest or least of several numbers, or of a list of them; the first of equal ones. */
function extreme(sign: 1 | -1): Function {
  return (...args) => {
    const [only] = args;
    const list: readonly unknown[] = args.length === 1 && Array.isArray(only) ? only : args;
    if (list.length === 0) return failed('there is nothing to choose from');
    let best = list[0];
    for (const one of list) {
      if (!isNumeric(one)) return undefined;
      if (sign * (order(one, best) ?? 0) > 0) best = one;
    }
    return best;
  };
}

function bitwise(compute: (a: bigint, b: bigint) => bigint): Function {
  return (a, b) => {
    if (typeof a === 'bigint' && typeof b === 'bigint') return BigInt.asIntN(64, compute(a, b));
    return a instanceof Uint && b instanceof Uint ? new Uint(BigInt.asUintN(64, compute(a.value, b.value))) : undefined;
  };
}

// The offset counts as it is: from 64 on nothing is left. To the right, zeros come in.
function shift(left: boolean): Function {
  return (value, offset) => {
    if (typeof offset !== 'bigint' || (typeof value !== 'bigint' && !(value instanceof Uint))) return undefined;
    if (offset < 0n) return failed('negative offset');
    const bits = BigInt.asUintN(64, typeof value === 'bigint' ? value : value.value);
    const moved = offset > 63n ? 0n : BigInt.asUintN(64, left ? bits << offset : bits >> offset);
    return typeof value === 'bigint' ? BigInt.asIntN(64, moved) : new Uint(moved);
  };
}

const abs: Function = (value) => {
  if (typeof value === 'number') return Math.abs(value);
  return typeof value === 'bigint' ? int64(value < 0n ? -value : value) : value instanceof Uint ? value : undefined;
};

const sign: Function = (value) => {
  if (typeof value === 'number') return Math.sign(value);
  if (typeof value === 'bigint') return value > 0n ? 1n : value < 0n ? -1n : 0n;
  return value instanceof Uint ? new Uint(value.value > 0n ? 1n : 0n) : undefined;
};

/** The bits of whole numbers, which in policies are JavaScript's: as integers of 64 bits, and back. */
function inWhole(compute: Function, dialect: Dialect): Function {
  if (dialect === 'standard') return compute;
  return (...args) => {
    if (!args.every((one) => typeof one === 'number' && Number.isSafeInteger(one))) return undefined;
    const result = compute(...args.map((one) => BigInt(one as number)));
    return typeof result === 'bigint' ? wholeIn(dialect, result) : result;
  };
}

/** The `math` functions, by name and number of arguments. */
export function mathFunctions(dialect: Dialect): Readonly<Record<string, Function>> {
  const whole = (compute: Function) => inWhole(compute, dialect);
  return {
    'math.greatest/*': extreme(1),
    'math.least/*': extreme(-1),
    'math.ceil/1': onNumbers(Math.ceil),
    'math.floor/1': onNumbers(Math.floor),
    'math.round/1': onNumbers(round),
    'math.trunc/1': onNumbers(Math.trunc),
    'math.abs/1': abs,
    'math.sign/1': sign,
    'math.sqrt/1': (value) =>
      isNumeric(value) ? Math.sqrt(Number(value instanceof Uint ? value.value : value)) : undefined,
    'math.isNaN/1': onNumbers(Number.isNaN),
    'math.isInf/1': onNumbers((value) => Math.abs(value) === Number.POSITIVE_INFINITY),
    'math.isFinite/1': onNumbers(Number.isFinite),
    'math.bitAnd/2': whole(bitwise((a, b) => a & b)),
    'math.bitOr/2': whole(bitwise((a, b) => a | b)),
    'math.bitXor/2': whole(bitwise((a, b) => a ^ b)),
    'math.bitNot/1': whole((value) => bitwise((a) => ~a)(value, value)),
    'math.bitShiftLeft/2': whole(shift(true)),
    'math.bitShiftRight/2': whole(shift(false)),
  };
}
