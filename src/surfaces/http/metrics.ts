import type { FastifyInstance } from 'fastify';
import type { Metrics } from '../../observe/index.ts';
import { buildListener } from './listener.ts';

/** The metrics listener: Prometheus text and nothing else. No user, key or prompt is in it. */
export function buildMetricsListener(metrics: Metrics, refresh: () => Promise<void>): FastifyInstance {
  const app = buildListener({ body_bytes_max: 1024, judgements: ['open'] });
  app.get('/metrics', { config: { judgement: 'open' } }, async (_request, reply) => {
    await refresh();
    const text = await metrics.render();
    return reply.header('content-type', metrics.contentType).send(text);
  });
  app.get('/health', { config: { judgement: 'open' } }, (_request, reply) => reply.send({ status: 'ok' }));
  return app;
}
