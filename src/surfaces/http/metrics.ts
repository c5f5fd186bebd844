import type { FastifyInstance, FastifyReply } from 'fastify';
import type { Failure } from '../../exchange/index.ts';
import { openaiChat } from '../../formats/index.ts';
import type { Figures, Metrics } from '../../observe/index.ts';
import { listenerFailure, notServed, ownRequestId, rendered } from './failures.ts';
import { buildListener } from './listener.ts';

/**
 * The metrics listener: Prometheus text and nothing else. No user, key or prompt is in it. `refresh` brings the figures up
 * to date, and gives those of other processes that are to be told together with them.
 */
export function buildMetricsListener(
  metrics: Metrics,
  refresh: () => Promise<readonly Figures[] | undefined>,
): FastifyInstance {
  const refused = (reply: FastifyReply, failure: Failure) => {
    const { status, headers, body } = rendered(failure, openaiChat, ownRequestId());
    return reply.code(status).headers(headers).send(body);
  };
  const app = buildListener({
    body_bytes_max: 1024,
    judgements: ['open'],
    unreadable: (_request, reply, failure) => refused(reply, failure),
  });
  app.setErrorHandler((error, _request, reply) => refused(reply, listenerFailure(error)));
  app.setNotFoundHandler((request, reply) => refused(reply, notServed(request.method, request.url)));
  app.get('/metrics', { config: { judgement: 'open' } }, async (_request, reply) => {
    const text = await metrics.render(await refresh());
    return reply.header('content-type', metrics.contentType).send(text);
  });
  app.get('/health', { config: { judgement: 'open' } }, (_request, reply) => reply.send({ status: 'ok' }));
  return app;
}
