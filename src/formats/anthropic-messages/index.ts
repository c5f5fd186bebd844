import type { Format } from '../../exchange/index.ts';
import { failureBody, upstreamFailure } from './failure.ts';
import { plainFrame, plainReply } from './reply.ts';
import { encodeRequest, read } from './request.ts';
import { closer, streamDecoder, streamEncoder } from './stream.ts';

/** Anthropic's Messages. */
export const anthropicMessages: Format = {
  name: 'anthropic-messages',
  // Anthropic's own clients send it with beta features.
  passQuery: ['beta'],
  tellsHostedCalls: true,
  read,
  failureBody,
  streamEncoder,
  plainReply,
  encodeRequest,
  streamDecoder,
  plainFrame,
  upstreamFailure,
  closer,
  keepAlive: Buffer.from(': keep-alive\n\n'),
};
