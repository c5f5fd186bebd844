import type { Format } from '../../exchange/index.ts';
import { failureBody, upstreamFailure } from './failure.ts';
import { plainFrame, plainReply } from './reply.ts';
import { encodeRequest, read } from './request.ts';
import { closer, streamDecoder, streamEncoder } from './stream.ts';

/** OpenAI's Chat Completions, and the many that speak it. */
export const openaiChat: Format = {
  name: 'openai-chat',
  passQuery: [],
  tellsHostedCalls: false,
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
