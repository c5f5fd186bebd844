import type { TSchema } from 'typebox';
import { failures } from '../../exchange/index.ts';
import type { Operation } from '../decision/operation.ts';
import { operations } from '../decision/operations/index.ts';
import { errorSchema } from '../decision/schemas.ts';

/** Where streams of questions are opened. */
export const streamPath = '/api/v1/evaluate/stream';

/**
 * OpenAPI 3.1 of the decision point, on the data and on the admin listener: made from the table the routes are made of and
 * from the schemas their bodies are checked by.
 */
export function openapi(): object {
  const paths: Record<string, Record<string, unknown>> = {};
  for (const operation of operations) {
    paths[operation.path] = { ...paths[operation.path], [operation.method.toLowerCase()]: operationOf(operation) };
  }
  paths['/api/v1/openapi.json'] = {
    get: { summary: 'This document', security: [], responses: { 200: answered('The document', { type: 'object' }) } },
  };
  paths[streamPath] = {
    get: {
      summary: 'A WebSocket: each text message is an evaluation with an id of its own, and so is each answer',
      responses: { 101: { description: 'It is a WebSocket now' }, ...failuresOf([426]) },
    },
  };
  return {
    openapi: '3.1.0',
    info: { title: 'LLM Policy Engine: decision point', version: '1', license: { name: 'See LICENSE' } },
    servers: [{ url: '/' }],
    security: [{ key: [] }],
    paths,
    components: {
      securitySchemes: { key: { type: 'http', scheme: 'bearer' } },
      responses: { Failure: answered('What went wrong', errorSchema) },
    },
  };
}

function operationOf({
  summary,
  scope,
  on,
  path,
  query = {},
  body,
  takesText,
  answer,
  status = 200,
}: Operation): object {
  const where = { data: 'data listener', admin: 'admin listener', both: 'data and admin listener' }[on];
  const parameters = [
    ...[...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => ({
      name,
      in: 'path',
      required: true,
      schema: { type: 'string' },
    })),
    ...Object.entries(query).map(([name, description]) => ({
      name,
      in: 'query',
      description,
      schema: { type: 'string' },
    })),
  ];
  const content = {
    'application/json': { schema: body },
    ...(takesText === true ? { 'application/yaml': { schema: { type: 'string' } } } : {}),
  };
  return {
    summary,
    description: scope === undefined ? `On the ${where}. Open.` : `On the ${where}. Scope \`${scope}\`.`,
    'x-listener': on,
    ...(scope === undefined ? { security: [] } : { 'x-scope': scope }),
    ...(parameters.length === 0 ? {} : { parameters }),
    ...(body === undefined ? {} : { requestBody: { required: true, content } }),
    responses: { [status]: answered('The answer', answer), ...failuresOf(scope === undefined ? [] : [400, 401, 403]) },
  };
}

/** Failures that are to be expected, and whatever else the closed table has. */
function failuresOf(statuses: readonly number[]): object {
  const codes = Object.entries(failures);
  const named = statuses.map((status) => {
    const of = codes.filter(([, failure]) => failure.status === status).map(([code]) => `\`${code}\``);
    return [status, { $ref: '#/components/responses/Failure', description: of.join(', ') }] as const;
  });
  return { ...Object.fromEntries(named), default: { $ref: '#/components/responses/Failure' } };
}

function answered(description: string, schema: TSchema | object): object {
  return { description, content: { 'application/json': { schema } } };
}
