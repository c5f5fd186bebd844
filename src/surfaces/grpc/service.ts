import type { ServerDuplexStream, ServerWritableStream, UntypedServiceImplementation } from '@grpc/grpc-js';
import { Failure } from '../../exchange/index.ts';
import type { EvaluateResponse } from '../../policy/index.ts';
import type { Operation, Request } from '../decision/operation.ts';
import { operations } from '../decision/operations/index.ts';
import { unary } from './calls.ts';
import { evaluateStream } from './evaluate-stream.ts';
import type { Leaving } from './leaving.ts';
import { bodyOf, type EvaluateRequest, responseMessage } from './messages.ts';
import type { GrpcPoint } from './point.ts';
import { subscribeUpdates } from './updates.ts';

/** A policy as a request names it. */
interface Named {
  readonly id?: string;
  readonly namespace?: string;
}

/** What an operation is asked with, as far as a message says it. */
type Asked = Partial<Pick<Request, 'params' | 'query' | 'body'>>;

/** The methods of `PolicyService`: what REST does with a request, it does with a message. */
export function policyService(from: GrpcPoint, leaving: Leaving): UntypedServiceImplementation {
  /** A method that is the operation of REST at this place, with its scope. */
  const as = <Message>(
    method: Operation['method'],
    path: string,
    asked: (message: Message) => Asked,
    answered: (answer: object) => object = (answer) => answer,
  ) => {
    const { scope, run, on } = operationAt(method, path);
    return unary<Message>(from, scope, async (message, { caller, requestId }) => {
      if (on === 'admin' && !from.publishing) throw notHere();
      const request = { params: {}, query: {}, body: undefined, ...asked(message), requestId };
      const answer = await run(from.point, request, { by: `key:${caller.key.id}`, caller });
      return answered(answer as object);
    });
  };
  return {
    evaluate: as<EvaluateRequest>(
      'POST',
      '/api/v1/evaluate',
      (message) => ({ body: bodyOf(message) }),
      (answer) => responseMessage(answer as EvaluateResponse),
    ),
    evaluateBatch: as<{ readonly requests: readonly EvaluateRequest[] }>(
      'POST',
      '/api/v1/evaluate/batch',
      ({ requests }) => ({ body: requests.map(bodyOf) }),
      (answer) => {
        const { results, count } = answer as { results: readonly EvaluateResponse[]; count: number };
        return { results: results.map(responseMessage), count };
      },
    ),
    evaluateStream: (call: ServerDuplexStream<EvaluateRequest, object>) => evaluateStream(from, call, leaving),

    loadPolicy: as<{ readonly texts: readonly string[] }>('POST', '/api/v1/policies', ({ texts }) => {
      if (texts.length === 0) throw new Failure('invalid_request', '`texts` holds no policy.', { param: 'texts' });
      return { body: texts.join('\n---\n') };
    }),
    unloadPolicy: as<Named>('DELETE', '/api/v1/policies/{id}', named),
    listPolicies: as<unknown>('GET', '/api/v1/policies', () => ({})),
    getPolicy: as<Named>('GET', '/api/v1/policies/{id}', named),
    subscribeUpdates: (call: ServerWritableStream<unknown, object>) => subscribeUpdates(from, call, leaving),

    getMetrics: unary<unknown>(from, 'policy:read', () => from.metrics()),
  };
}

/** What REST serves on the admin listener alone is not to be had beside it, unless somebody said so. */
function notHere(): Failure {
  return new Failure(
    'not_supported',
    'Policies are changed on the admin listener; `grpc: { publishing: true }` in the configuration serves it here as well.',
  );
}

function named({ id = '', namespace }: Named): Asked {
  if (id === '') throw new Failure('invalid_request', '`id` is missing.', { param: 'id' });
  return { params: { id }, query: namespace === undefined ? {} : { namespace } };
}

/** Throws where there is none, or one that is open: a method of ours is for callers that are known. */
function operationAt(method: Operation['method'], path: string) {
  const found = operations.find((one) => one.method === method && one.path === path);
  if (found?.scope === undefined) throw new Error(`there is no ${method} ${path} with a scope`);
  return { scope: found.scope, run: found.run, on: found.on };
}
