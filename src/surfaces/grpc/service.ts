import type { ServerDuplexStream, ServerWritableStream, UntypedServiceImplementation } from '@grpc/grpc-js';
import { Failure } from '../../exchange/index.ts';
import { answers } from '../decision/answers.ts';
import { unary } from './calls.ts';
import { evaluateStream } from './evaluate-stream.ts';
import type { Leaving } from './leaving.ts';
import { bodyOf, type EvaluateRequest, responseMessage } from './messages.ts';
import type { GrpcPoint, TellablePolicy } from './point.ts';
import { subscribeUpdates, unmanaged } from './updates.ts';

/** A policy as a request names it. */
interface Named {
  readonly id?: string;
  readonly namespace?: string;
}

/** The methods of `PolicyService`: each says whom it lets in, asks what REST asks, and answers that. */
export function policyService(point: GrpcPoint, leaving: Leaving): UntypedServiceImplementation {
  const managed = () => {
    if (point.policies === undefined) throw unmanaged();
    return point.policies;
  };
  return {
    evaluate: unary<EvaluateRequest>(point, 'policy:evaluate', (asked, { caller, requestId }) =>
      responseMessage(answers.evaluate(point.answering(caller), bodyOf(asked), requestId)),
    ),
    evaluateBatch: unary<{ readonly requests: readonly EvaluateRequest[] }>(
      point,
      'policy:evaluate',
      ({ requests }, { caller, requestId }) => {
        const { results, count } = answers.batch(point.answering(caller), requests.map(bodyOf), requestId);
        return { results: results.map(responseMessage), count };
      },
    ),
    evaluateStream: (call: ServerDuplexStream<EvaluateRequest, object>) => evaluateStream(point, call, leaving),

    loadPolicy: unary<{ readonly texts: readonly string[] }>(point, 'policy:write', async ({ texts }, { caller }) => {
      const policies = managed();
      if (texts.length === 0) throw new Failure('invalid_request', '`texts` holds no policy.', { param: 'texts' });
      return { policies: await policies.load(texts, by(caller)) };
    }),
    unloadPolicy: unary<Named>(point, 'policy:write', async ({ id, namespace }, { caller }) => {
      const policies = managed();
      const found = policies.get(required(id), namespace);
      return { unloaded: found !== undefined && (await policies.unload(found.id, found.namespace, by(caller))) };
    }),
    listPolicies: unary<unknown>(point, 'policy:read', () => {
      const policies = listed(point);
      return { policies, count: policies.length, program: point.program().id };
    }),
    getPolicy: unary<Named>(point, 'policy:read', ({ id, namespace }) => {
      const wanted = required(id);
      const found =
        point.policies === undefined
          ? listed(point).find((one) => one.id === wanted && (namespace ?? one.namespace) === one.namespace)
          : point.policies.get(wanted, namespace);
      if (found !== undefined) return found;
      throw new Failure('invalid_request', `There is no policy '${wanted}'.`, { status: 404, param: 'id' });
    }),
    subscribeUpdates: (call: ServerWritableStream<unknown, object>) => subscribeUpdates(point, call, leaving),

    getMetrics: unary<unknown>(point, 'policy:read', () => point.metrics()),
  };
}

function listed(point: GrpcPoint): readonly TellablePolicy[] {
  if (point.policies !== undefined) return point.policies.list();
  return point.program().policies.map((one) => ({ ...one, source: 'file', readonly: true }));
}

function required(id: string | undefined): string {
  if (id === undefined || id === '') throw new Failure('invalid_request', '`id` is missing.', { param: 'id' });
  return id;
}

const by = (caller: { readonly key: { readonly id: string } }): string => `key:${caller.key.id}`;
