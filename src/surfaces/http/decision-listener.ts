import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { asFailure, type Failure } from '../../exchange/index.ts';
import { openaiChat } from '../../formats/index.ts';
import type { DecisionPoint } from '../decision/point.ts';
import { evaluateStreams } from '../websocket/evaluate-stream.ts';
import { type Answer, decisionRoutes } from './decisions.ts';
import { listenerFailure, notServed, rendered, requestIdOf } from './failures.ts';
import { type JudgedRoute, routesOf } from './judgement.ts';
import { buildListener } from './listener.ts';

export interface DecisionListenerOptions {
  readonly point: DecisionPoint;
  readonly body_bytes_max: number;
  readonly in_flight_bytes_max: number;
  readonly trustedProxies: readonly string[];
  ready(): { readonly ready: boolean; readonly reasons: readonly string[] };
}

/** The listener of a daemon: the decision point over REST and WebSocket. It reaches nobody. */
export function buildDecisionListener(options: DecisionListenerOptions): {
  readonly app: FastifyInstance;
  readonly routes: readonly JudgedRoute[];
} {
  const { body_bytes_max, in_flight_bytes_max, trustedProxies, point } = options;
  const app = buildListener({
    ...{ body_bytes_max, in_flight_bytes_max, trustedProxies },
    judgements: ['caller', 'open'],
    unreadable: (request, reply, failure) => refused(reply, request, failure),
  });
  const answer: Answer = async (reply, request, body) => {
    try {
      return reply.header('x-request-id', requestIdOf(request)).send(await body());
    } catch (thrown) {
      return refused(reply, request, asFailure(thrown));
    }
  };
  decisionRoutes(app, point, answer);
  evaluateStreams(app, point, answer, { body_bytes_max });
  app.get('/health', { config: { judgement: 'open' } }, (_request, reply) => reply.send({ status: 'ok' }));
  app.get('/ready', { config: { judgement: 'open' } }, (_request, reply) => {
    const { ready, reasons } = options.ready();
    return reply.code(ready ? 200 : 503).send({ status: ready ? 'ready' : 'not ready', reasons });
  });
  app.setNotFoundHandler((request, reply) => refused(reply, request, notServed(request.method, request.url)));
  app.setErrorHandler((error, request, reply) => refused(reply, request, listenerFailure(error)));
  return { app, routes: routesOf(app) };
}

function refused(reply: FastifyReply, request: FastifyRequest, failure: Failure): FastifyReply {
  const { status, headers, body } = rendered(failure, openaiChat, requestIdOf(request));
  return reply.code(status).headers(headers).send(body);
}
