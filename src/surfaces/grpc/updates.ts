import type { ServerWritableStream } from '@grpc/grpc-js';
import { Failure } from '../../exchange/index.ts';
import { keyOf, type PolicyChange, type PolicySet } from '../../registry/index.ts';
import { admit, endingOf, requestIdOf } from './calls.ts';
import { type Leaving, shutsDown } from './leaving.ts';
import type { GrpcPoint } from './point.ts';

/** Changes a subscriber may be behind; one that reads slower is let go and asks again. */
const behind_max = 1000;

/** Tells the set in force, and each change from then on. Resolves when nobody listens any more. */
export async function subscribeUpdates(
  from: GrpcPoint,
  call: ServerWritableStream<unknown, object>,
  leaving: Leaving,
): Promise<void> {
  const requestId = requestIdOf(call.metadata);
  try {
    await admit(from, call.metadata, 'policy:read');
    await told(from.point.policies, call, leaving);
  } catch (thrown) {
    if (!call.cancelled) call.emit('error', endingOf(from, thrown, requestId));
  }
}

/** Rejects with why a subscriber is let go; resolves when it left. */
async function told(policies: PolicySet, call: ServerWritableStream<unknown, object>, leaving: Leaving): Promise<void> {
  const ends: (() => void)[] = [];
  try {
    await new Promise<void>((resolve, reject) => {
      if (call.cancelled) return resolve();
      call.once('cancelled', () => resolve());
      ends.push(leaving.when(() => reject(shutsDown())));
      const tell = (change: PolicyChange): void => {
        if (call.writableLength < behind_max) call.write({ ...change });
        else reject(new Failure('rate_limit_exceeded', `This subscriber is ${behind_max} changes behind.`));
      };
      const { revision } = policies;
      tell({ revision, program: policies.program().id, loaded: policies.list().map(keyOf), unloaded: [] });
      ends.push(policies.subscribe(tell));
    });
  } finally {
    for (const end of ends) end();
  }
}
