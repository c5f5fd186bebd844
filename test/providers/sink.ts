import type { Failure } from '../../src/exchange/index.ts';
import type { UpstreamReply } from '../../src/providers/index.ts';

export const times = { connect_timeout_ms: 5000, first_byte_timeout_ms: 10_000, total_timeout_ms: 20_000 };

export interface Collected {
  text: string;
  chunks: Buffer[];
  failure: Failure | undefined;
}

/** Reads a reply to its end, which may be a failure. */
export function collect(reply: UpstreamReply): Promise<Collected> {
  return new Promise((resolve) => {
    const chunks: Buffer[] = [];
    const done = (failure: Failure | undefined) =>
      resolve({ text: Buffer.concat(chunks).toString('utf8'), chunks, failure });
    reply.read({ data: (chunk) => chunks.push(chunk), end: () => done(undefined), error: done });
  });
}
