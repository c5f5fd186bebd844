import { Failure } from '../exchange/index.ts';
import type { Abort, UpstreamReply } from '../providers/index.ts';

const errorBodyBytesMax = 1_048_576;

/** An error reply's body, as far as it is worth reading. A body that breaks off is read as far as it came. */
export function errorBody(reply: UpstreamReply, abort: Abort): Promise<Buffer> {
  return new Promise((resolve) => {
    const chunks: Buffer[] = [];
    let size = 0;
    const done = (): void => {
      abort.detach(done);
      resolve(Buffer.concat(chunks));
    };
    abort.attach(done);
    reply.read({
      data(chunk) {
        size += chunk.length;
        if (size <= errorBodyBytesMax) chunks.push(chunk);
        else {
          reply.abort(new Failure('upstream_error', 'The error reply is too large.'));
          done();
        }
      },
      end: done,
      error: done,
    });
  });
}
