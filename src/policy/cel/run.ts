import { Unable } from '../unable.ts';
import type { Input } from './environment.ts';
import { type CelError, type Dialect, failed } from './values.ts';

/** What a running expression keeps: the values of its variables, and the steps it may still take. */
export interface Frame {
  readonly slots: unknown[];
  left: number;
}

/** A compiled part: its value, `undefined` for missing (in policies), an `Unable` where it could not be computed. */
export type Run = (input: Input, frame: Frame) => unknown;

export const noOverload = failed('no such overload');
export const tooManySteps = failed('the expression takes too many steps');

/** What an operator gives on types it does not work on. */
export function mismatchOf(dialect: Dialect): CelError | undefined {
  return dialect === 'policy' ? undefined : noOverload;
}

/** A value where true or false belongs: missing is false, anything else is an error, and an error stays one. */
export function truth(value: unknown, dialect: Dialect): boolean | Unable {
  if (typeof value === 'boolean') return value;
  if (value instanceof Unable) return value;
  return dialect === 'policy' ? false : noOverload;
}

/** One call of a function on parts. */
export function callOf(compute: (...args: readonly unknown[]) => unknown, args: readonly Run[], dialect: Dialect): Run {
  const mismatch = mismatchOf(dialect);
  const [a, b] = args;
  if (a === undefined) {
    return () => {
      const result = compute();
      return result === undefined ? mismatch : result;
    };
  }
  if (b === undefined) {
    return (input, frame) => {
      const x = a(input, frame);
      if (x === undefined || x instanceof Unable) return x;
      const result = compute(x);
      return result === undefined ? mismatch : result;
    };
  }
  if (args.length === 2) {
    return (input, frame) => {
      const x = a(input, frame);
      if (x === undefined || x instanceof Unable) return x;
      const y = b(input, frame);
      if (y === undefined || y instanceof Unable) return y;
      const result = compute(x, y);
      return result === undefined ? mismatch : result;
    };
  }
  return (input, frame) => {
    const values: unknown[] = [];
    for (let i = 0; i < args.length; i++) {
      const value = (args[i] as Run)(input, frame);
      if (value === undefined || value instanceof Unable) return value;
      values.push(value);
    }
    const result = compute(...values);
    return result === undefined ? mismatch : result;
  };
}

/** `&&`: one false makes it false, whatever the others could not tell. `||` likewise with true. */
export function logicOf(decisive: boolean, parts: readonly Run[], dialect: Dialect): Run {
  const [a, b] = parts;
  if (a !== undefined && b !== undefined && parts.length === 2) {
    return (input, frame) => {
      const x = truth(a(input, frame), dialect);
      if (x === decisive) return decisive;
      const y = truth(b(input, frame), dialect);
      return y === decisive ? decisive : typeof x === 'boolean' ? y : x;
    };
  }
  return (input, frame) => {
    let outcome: boolean | Unable = !decisive;
    for (let i = 0; i < parts.length; i++) {
      const one = truth((parts[i] as Run)(input, frame), dialect);
      if (one === decisive) return decisive;
      if (typeof outcome === 'boolean') outcome = one;
    }
    return outcome;
  };
}

export function conditionalOf(condition: Run, yes: Run, no: Run, dialect: Dialect): Run {
  return (input, frame) => {
    const asked = truth(condition(input, frame), dialect);
    return asked === true ? yes(input, frame) : asked === false ? no(input, frame) : asked;
  };
}
