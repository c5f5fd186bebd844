import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { Failure } from '../../exchange/index.ts';
import { parseStrict } from '../../formats/index.ts';
import type { Operation, Request } from '../decision/operation.ts';
import { operations } from '../decision/operations/index.ts';
import type { Asker, DecisionPoint } from '../decision/point.ts';
import { asPolicyFailure } from '../decision/refusals.ts';
import { queryOf } from './admin-input.ts';
import { requestIdOf } from './failures.ts';
import { openapi } from './openapi.ts';

/** Runs what a route does and sends what it answers; failures become the caller's format. */
export type Answer = (
  reply: FastifyReply,
  request: FastifyRequest,
  body: () => Promise<unknown>,
) => Promise<FastifyReply>;

/** The decision point on the data listener: it decides and is looked at, and changes nothing. */
export function decisionRoutes(app: FastifyInstance, point: DecisionPoint, answer: Answer): void {
  const document = openapi();
  app.get('/api/v1/openapi.json', { config: { judgement: 'open' } }, (_request, reply) => reply.send(document));
  for (const operation of operations.filter(({ on }) => on !== 'admin')) {
    const { method, path, scope, status = 200 } = operation;
    app.route({
      method,
      url: routeOf(path),
      config: { judgement: scope === undefined ? 'open' : 'caller' },
      handler: (request, reply) =>
        answer(reply.code(status), request, async () => {
          const asker = scope === undefined ? nobody : await callerAsks(point, request, operation);
          return run(operation, point, request, asker);
        }),
    });
  }
}

/** The same on the admin listener, where policies change too; `whoAsks` names the administrator, or else the caller. */
export function decisionAdminRoutes(
  app: FastifyInstance,
  point: DecisionPoint,
  administrator: (request: FastifyRequest) => string | undefined,
): void {
  for (const operation of operations.filter(({ on }) => on !== 'data')) {
    const { method, path, scope, status = 200 } = operation;
    app.route({
      method,
      url: routeOf(path),
      config: { judgement: 'admin', ...(scope === undefined ? {} : { scope }) },
      handler: async (request, reply) => {
        const by = administrator(request);
        const asker = by === undefined ? await callerAsks(point, request, operation) : { by };
        return reply.code(status).send(await run(operation, point, request, asker));
      },
    });
  }
}

const nobody: Asker = { by: '' };

async function callerAsks(point: DecisionPoint, { raw }: FastifyRequest, { scope }: Operation): Promise<Asker> {
  if (scope === undefined) return nobody;
  const caller = await point.door.enter(raw.headers, scope);
  return { by: `key:${caller.key.id}`, caller };
}

async function run(operation: Operation, point: DecisionPoint, request: FastifyRequest, asker: Asker) {
  const { query = {}, body } = operation;
  const asked: Request = {
    params: request.params as Record<string, string>,
    query: queryOf(request, Object.keys(query)) as Record<string, string>,
    body: body === undefined ? undefined : bodyOf(request, operation),
    requestId: requestIdOf(request),
  };
  try {
    return await operation.run(point, asked, asker);
  } catch (thrown) {
    throw asPolicyFailure(thrown);
  }
}

function bodyOf({ body, headers }: FastifyRequest, { takesText = false }: Operation): unknown {
  const bytes = body instanceof Buffer ? body : Buffer.alloc(0);
  const [type = ''] = (headers['content-type'] ?? '').split(';');
  if (!takesText || !/^(text|application)\/(x-)?yaml$/.test(type.trim().toLowerCase())) return parseStrict(bytes);
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw new Failure('invalid_request', 'The body is not valid UTF-8.');
  }
}

/** `/policies/{id}` as the router has it. */
function routeOf(path: string): string {
  return path.replaceAll(/\{(\w+)\}/g, ':$1');
}
