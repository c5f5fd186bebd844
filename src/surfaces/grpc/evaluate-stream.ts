import type { ServerDuplexStream } from '@grpc/grpc-js';
import { answers } from '../decision/answers.ts';
import { answeringTo } from '../decision/point.ts';
import { admit, endingOf, requestIdOf } from './calls.ts';
import { errorMessage, failureOf } from './failures.ts';
import { type Leaving, shutsDown } from './leaving.ts';
import { bodyOf, type EvaluateRequest, responseMessage } from './messages.ts';
import type { GrpcPoint } from './point.ts';

/**
 * Answers requests in their order, each by the program and for the caller of its moment: a key that is revoked ends the
 * stream. No more is read than the client takes. Resolves when the stream is over.
 */
export async function evaluateStream(
  from: GrpcPoint,
  call: ServerDuplexStream<EvaluateRequest, object>,
  leaving: Leaving,
): Promise<void> {
  const streamId = requestIdOf(call.metadata);
  let over = false;
  const fail = (thrown: unknown): void => {
    if (over) return;
    over = true;
    call.emit('error', endingOf(from, thrown, streamId));
  };
  const stay = leaving.when(() => fail(shutsDown()));
  try {
    await admit(from, call.metadata, 'policy:evaluate');
    let at = 0;
    for await (const request of call.iterator({ destroyOnReturn: false }) as AsyncIterable<EvaluateRequest>) {
      const answer = await answerTo(from, call, request, `${streamId}-${at}`);
      at += 1;
      if (over || call.cancelled) return;
      if (!call.write(answer)) await room(call);
    }
    if (!over) call.end();
    over = true;
  } catch (thrown) {
    if (!call.cancelled) fail(thrown);
  } finally {
    stay();
  }
}

async function answerTo(
  from: GrpcPoint,
  { metadata }: ServerDuplexStream<EvaluateRequest, object>,
  request: EvaluateRequest,
  ownId: string,
): Promise<object> {
  const caller = await admit(from, metadata, 'policy:evaluate');
  try {
    from.point.door.spend(caller, 1);
    const answer = await answers.evaluate(answeringTo(from.point, caller), bodyOf(request), ownId);
    await from.point.written?.();
    return responseMessage(answer);
  } catch (thrown) {
    const failure = failureOf(thrown);
    if (failure.code === 'internal_error') throw thrown;
    return { requestId: request.requestId ?? ownId, error: errorMessage(failure) };
  }
}

/** Resolves when the client has caught up, or is gone. */
function room(call: ServerDuplexStream<EvaluateRequest, object>): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      for (const event of ['drain', 'cancelled', 'close']) call.removeListener(event, done);
      resolve();
    };
    for (const event of ['drain', 'cancelled', 'close']) call.once(event, done);
  });
}
