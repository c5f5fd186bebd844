import { isCelError, isCelList, isCelUint, run } from '@bufbuild/cel';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { prepare } from '../../../src/policy/cel/expression.ts';
import { dyn } from '../../../src/policy/cel/types.ts';
import { Unable } from '../../../src/policy/unable.ts';
import { bindings, expressions } from './arbitrary.ts';
import { shape } from './suite.ts';

function ours(text: string): unknown {
  const known: Readonly<Record<string, unknown>> = bindings;
  const value = prepare(text, {
    dialect: 'standard',
    lenient: true,
    variable: (name) => (Object.hasOwn(known, name) ? { name, type: dyn, read: () => known[name] } : undefined),
  }).evaluate({});
  return value instanceof Unable ? 'error' : shape(value);
}

function theirs(text: string): unknown {
  const value = run(text, bindings);
  return isCelError(value) ? 'error' : shape(plain(value));
}

function plain(value: unknown): unknown {
  if (isCelList(value)) return Array.from(value, plain);
  return isCelUint(value) ? { uint: value.value.toString() } : value;
}

describe('an expression', () => {
  it.each(['bool', 'int', 'double', 'string', 'list'] as const)(
    'of type %s has the value that another implementation of the standard gives it',
    (type) => {
      fc.assert(
        fc.property(expressions[type], (text) => {
          expect(ours(text), text).toEqual(theirs(text));
        }),
        { numRuns: 1_000 },
      );
    },
  );
});
