import { functionNames, functionOf, missingFunction } from './functions/catalog.ts';
import type { FunctionCall, Json, LeafOperator } from './policy.ts';
import { nearest } from './problem.ts';

/** Operators a function's value may be compared by, and how CEL writes them. */
const written: Readonly<Partial<Record<LeafOperator, (value: string, given: string) => string>>> = {
  eq: (value, given) => `${value} == ${given}`,
  ne: (value, given) => `${value} != ${given}`,
  gt: (value, given) => `${value} > ${given}`,
  gte: (value, given) => `${value} >= ${given}`,
  lt: (value, given) => `${value} < ${given}`,
  lte: (value, given) => `${value} <= ${given}`,
  in: (value, given) => `${value} in ${given}`,
  not_in: (value, given) => `!(${value} in ${given})`,
  contains: (value, given) => `${given} in ${value}`,
  not_contains: (value, given) => `!(${given} in ${value})`,
  any: (value, given) => `${value}.exists(item, item in ${given})`,
  none: (value, given) => `!${value}.exists(item, item in ${given})`,
  matches: (value, given) => `${value}.matches(${given})`,
  starts_with: (value, given) => `${value}.startsWith(${given})`,
  ends_with: (value, given) => `${value}.endsWith(${given})`,
};

export const callOperators = Object.keys(written) as readonly LeafOperator[];

/** A condition that calls a function, as the expression it stands for. */
export function callText({ function: name, args, operator, value }: FunctionCall): string {
  const call = `${name}(${(args ?? []).map(argumentText).join(', ')})`;
  if (operator === undefined) return call;
  return written[operator]?.(call, literalText(value ?? null)) ?? call;
}

function argumentText(arg: Json): string {
  return typeof arg === 'object' && arg !== null && 'field' in arg ? fieldText(String(arg.field)) : literalText(arg);
}

// The last part of a name may hold what no field's name may.
function fieldText(field: string): string {
  return field.replace(/\.([^.]*-[^.]*)/g, '["$1"]');
}

// A text that is nothing but a place for a parameter or a fact is that.
const place = /^\$\{([A-Za-z_][\w-]*(?:\.[\w-]+)+)\}$/;

function literalText(value: Json): string {
  if (typeof value === 'string') {
    const named = place.exec(value)?.[1];
    return named === undefined ? JSON.stringify(value) : fieldText(named);
  }
  return Array.isArray(value) ? `[${value.map(literalText).join(', ')}]` : JSON.stringify(value);
}

/** Why there is no function of this name, with the nearest one there is; undefined where there is. */
export function functionMisfit(name: string): { readonly message: string; readonly suggestion?: string } | undefined {
  if (functionOf(name) !== undefined) return undefined;
  const missing = missingFunction(name);
  if (missing !== undefined) return { message: missing };
  const near = nearest(name, functionNames());
  return { message: `unknown function ${name.slice(0, 80)}`, ...(near === undefined ? {} : { suggestion: near }) };
}
