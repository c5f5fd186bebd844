import type { TSchema } from 'typebox';
import Value from 'typebox/value';
import { Failure } from '../../exchange/index.ts';
import { PolicyError } from '../../policy/index.ts';
import { PolicyRefusal } from '../../registry/index.ts';

/** What policies' rooms throw, as failures of the closed table; others stay what they are. */
export function asPolicyFailure(thrown: unknown): unknown {
  if (thrown instanceof PolicyError) {
    const [first] = thrown.problems;
    const place = first === undefined || first.line === 0 ? {} : { line: first.line, column: first.column };
    return new Failure('invalid_request', thrown.message, {
      param: first?.file ?? 'policies',
      extra: { problems: thrown.problems.length, ...place },
      cause: thrown,
    });
  }
  if (thrown instanceof PolicyRefusal) {
    const status = thrown.reason === 'readonly' ? 409 : 404;
    return new Failure('invalid_request', thrown.message, { status, cause: thrown });
  }
  return thrown;
}

/** Throws `invalid_request` that names the first field at fault where a body does not keep to its schema. */
export function checkBody(schema: TSchema, body: unknown): void {
  // Deepest first: of a union it is the part that was meant that tells what is wrong.
  const errors = Value.Errors(schema, body).filter(({ keyword }) => keyword !== 'boolean');
  const [error] = errors.sort((a, b) => b.instancePath.length - a.instancePath.length);
  if (error === undefined) return;
  const { additionalProperties = [], requiredProperties = [] } = error.params as {
    additionalProperties?: string[];
    requiredProperties?: string[];
  };
  const name = additionalProperties[0] ?? requiredProperties[0];
  const param = [...error.instancePath.split('/').slice(1), ...(name === undefined ? [] : [name])].join('.');
  const what =
    additionalProperties.length > 0 ? 'is not known here' : name === undefined ? error.message : 'is missing';
  const message = param === '' ? `The body ${what}.` : `\`${param}\` ${what}.`;
  throw new Failure('invalid_request', message, param === '' ? {} : { param });
}
