import { randomUUID } from 'node:crypto';
import { Metadata, type ServerUnaryCall, type ServiceError, type sendUnaryData } from '@grpc/grpc-js';
import type { Caller } from '../../exchange/index.ts';
import type { Scope } from '../decision/door.ts';
import { failureOf, serviceError } from './failures.ts';
import type { GrpcPoint } from './point.ts';

/** A call whose caller is known and may make it. */
export interface Admitted {
  readonly caller: Caller;
  readonly requestId: string;
}

/** The id a client gave its call, or one of ours. */
export function requestIdOf(metadata: Metadata): string {
  const [asked] = metadata.get('x-request-id');
  if (typeof asked === 'string' && /^[\x21-\x7e]{1,128}$/.test(asked)) return asked;
  return `ex_${randomUUID().replaceAll('-', '')}`;
}

/** Who calls. Rejects with `invalid_api_key`, and with `policy_denied` for a key without the scope. */
export async function admit({ point }: GrpcPoint, metadata: Metadata, scope: Scope): Promise<Caller> {
  const headers = Object.entries(metadata.getMap()).filter((entry): entry is [string, string] => {
    return typeof entry[1] === 'string';
  });
  return await point.door.enter(Object.fromEntries(headers), scope);
}

/** What a failed call ends with. Our own faults are logged; their causes are not told. */
export function endingOf({ log }: GrpcPoint, thrown: unknown, requestId: string): Partial<ServiceError> {
  const failure = failureOf(thrown);
  if (failure.code === 'internal_error') log.error('a gRPC call failed', { error: failure.cause ?? failure });
  return serviceError(failure, requestId);
}

/** A method that is asked once and answers once. */
export function unary<Asked>(
  from: GrpcPoint,
  scope: Scope,
  work: (asked: Asked, admitted: Admitted) => object | Promise<object>,
) {
  return async (call: ServerUnaryCall<Asked, object>, callback: sendUnaryData<object>): Promise<void> => {
    const requestId = requestIdOf(call.metadata);
    try {
      const caller = await admit(from, call.metadata, scope);
      // Its deadline is over, or its client is gone: nobody would read the answer, and nothing is to change any more.
      if (call.cancelled) return;
      const answer = await work(call.request, { caller, requestId });
      const head = new Metadata();
      head.set('x-request-id', requestId);
      call.sendMetadata(head);
      callback(null, answer);
    } catch (thrown) {
      callback(endingOf(from, thrown, requestId));
    }
  };
}
