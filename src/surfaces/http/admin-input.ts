import type { FastifyRequest } from 'fastify';
import { Failure } from '../../exchange/index.ts';
import { parseStrict } from '../../formats/index.ts';
import { instantOf } from '../instant.ts';

export const timeForm = 'a time such as 2026-01-31T12:00:00Z';

export function isText(value: unknown): value is string {
  return typeof value === 'string' && value !== '';
}

export function refused(param: string, message: string): Failure {
  return new Failure('invalid_request', message, { param });
}

/** What a field of a body must be. */
export interface Field {
  readonly must: string;
  readonly is: (value: unknown) => boolean;
}

/** A body's fields by their names. */
export type Fields = ReadonlyMap<string, Field>;

/** A body's fields, each of a known name and of its kind. Throws `invalid_request` naming the one that is not. */
export function fieldsOf(request: FastifyRequest, known: Fields, what: string): Record<string, unknown> {
  const body = jsonObject(request);
  for (const [name, value] of Object.entries(body)) {
    const field = known.get(name);
    if (field === undefined) {
      throw refused(name, `\`${name}\` is not a field of ${what}; there is ${[...known.keys()].join(', ')}.`);
    }
    if (!field.is(value)) throw refused(name, `\`${name}\` must be ${field.must}.`);
  }
  return body;
}

function jsonObject(request: FastifyRequest): Record<string, unknown> {
  const body = parseStrict(request.body instanceof Buffer ? request.body : Buffer.alloc(0));
  if (typeof body !== 'object' || body === null || Array.isArray(body)) {
    throw new Failure('invalid_request', 'The body must be a JSON object.');
  }
  return body as Record<string, unknown>;
}

/** The query by its known names. An unknown one is refused: whoever misspells a filter must not be shown everything. */
export function queryOf<Name extends string>(
  request: FastifyRequest,
  known: readonly Name[],
): Partial<Record<Name, string>> {
  const query = request.query as Record<string, string | string[]>;
  for (const [name, value] of Object.entries(query)) {
    if (!known.includes(name as Name))
      throw refused(name, `\`${name}\` is not known here; there is ${known.join(', ')}.`);
    if (typeof value !== 'string') throw refused(name, `\`${name}\` was given twice.`);
  }
  return query as Partial<Record<Name, string>>;
}

/** A moment of the query, where it is given. Throws `invalid_request`. */
export function momentOf(name: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const found = instantOf(text);
  if (found === undefined) throw refused(name, `\`${name}\` must be ${timeForm}.`);
  return found;
}
