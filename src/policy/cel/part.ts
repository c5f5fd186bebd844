import { Unable } from '../unable.ts';
import { callOf, mismatchOf, type Run } from './run.ts';
import { type CelError, type Dialect, failed, isMap, Optional, sizeOf, valueAt } from './values.ts';

/** A compiled part of an expression. */
export interface Part {
  readonly run: Run;
  /** Steps it takes at most, by estimate. */
  readonly cost: number;
  /** The same without the rounds of macros in it, which count themselves when they run. */
  readonly steps: number;
  /** Its value, where that is known without any input. */
  readonly constant?: { readonly value: unknown };
}

export function runs(parts: readonly Part[]): readonly Run[] {
  return parts.map((part) => part.run);
}

export function constant(value: unknown): Part {
  return { run: () => value, cost: 0, steps: 0, constant: { value } };
}

export function single(run: Run): Part {
  return { run, cost: 1, steps: 1 };
}

export function unknownName(name: string): CelError {
  return failed(`undeclared reference to '${name.slice(0, 100)}'`);
}

export function oneNumber(name: string): string {
  return name === 'int' || name === 'uint' ? 'double' : name;
}

export function lengthKnown({ constant: known }: Part): number | undefined {
  if (known === undefined) return undefined;
  const { value } = known;
  return Array.isArray(value) ? value.length : isMap(value) ? sizeOf(value) : 0;
}

export function negation(run: Run, dialect: Dialect): Run {
  const mismatch = mismatchOf(dialect);
  return (input, frame) => {
    const value = run(input, frame);
    if (typeof value === 'boolean') return !value;
    if (value instanceof Unable) return value;
    return dialect === 'policy' ? true : mismatch;
  };
}

// What comes after `or` is computed only where it is needed.
export function alternative(name: 'or' | 'orValue', a: Run, b: Run, dialect: Dialect): Run {
  const mismatch = mismatchOf(dialect);
  return (input, frame) => {
    const first = a(input, frame);
    if (first === undefined || first instanceof Unable) return first;
    if (!(first instanceof Optional)) return mismatch;
    if (first.present) return name === 'or' ? first : first.value;
    const second = b(input, frame);
    return name === 'orValue' || second instanceof Optional || second instanceof Unable ? second : mismatch;
  };
}

/** `has(a.b)`. */
export function fieldTest(operand: Run, field: string, dialect: Dialect): Run {
  const asked = (value: unknown): unknown => {
    if (value instanceof Optional) return value.present ? asked(value.value) : false;
    return isMap(value) ? valueAt(value, field) !== undefined : undefined;
  };
  const policy = dialect === 'policy';
  const run = callOf(asked, [operand], dialect);
  return policy ? (input, frame) => run(input, frame) ?? false : run;
}
