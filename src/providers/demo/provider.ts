import { Readable } from 'node:stream';
import type { Format } from '../../exchange/index.ts';
import type { Provider, ProviderModel, Quirks } from '../provider.ts';
import type { UpstreamCall, UpstreamReply } from '../upstream.ts';
import { connectionFailure } from '../upstream-failure.ts';
import { demoAnswer } from './answer.ts';
import { DemoCall } from './call.ts';
import { readDemoRequest } from './request.ts';
import { type DemoReply, demoReply, errorReply } from './wire.ts';

/** Time between two words of a stream: slow enough to be seen, fast enough not to be waited for. */
const pace_ms = 8;

/**
 * A provider without an address: it answers in this process, in OpenAI's chat format, so that the first call works without
 * any account. Its answers are fixed by the request, and say what it is.
 */
export function demoProvider(parts: {
  readonly id: string;
  readonly format: Format;
  readonly models: readonly ProviderModel[];
  readonly quirks: Quirks;
  readonly region: string | undefined;
}): Provider {
  const { region, ...rest } = parts;
  let closed = false;
  let calls = 0;
  let idle: (() => void) | undefined;
  const over = () => {
    calls -= 1;
    if (calls === 0) idle?.();
  };
  return {
    ...rest,
    ...(region === undefined ? undefined : { region }),
    requestPath: (encoded) => encoded.path,
    ownPath: (path) => path,
    send: async (call: UpstreamCall): Promise<UpstreamReply> => {
      if (closed) throw connectionFailure(parts.id, 'connect', new Error('closed'), 0);
      const body = call.body instanceof Readable ? await wholeOf(call.body) : call.body;
      if (call.abort?.reason !== undefined) throw call.abort.reason;
      const reply = answerTo(call, body, parts.models);
      calls += 1;
      return new DemoCall(parts.id, call, reply, pace_ms, over);
    },
    close: () => {
      closed = true;
      return calls === 0 ? Promise.resolve() : new Promise((resolve) => (idle = resolve));
    },
  };
}

/** A body that breaks off is as far as it came; who sent it is gone, and the call is aborted. */
async function wholeOf(body: Readable): Promise<Buffer> {
  const chunks: Buffer[] = [];
  try {
    for await (const chunk of body) chunks.push(chunk as Buffer);
  } catch {
    // Told below: half a body is no request.
  }
  return Buffer.concat(chunks);
}

function answerTo(call: UpstreamCall, body: Buffer | undefined, models: readonly ProviderModel[]): DemoReply {
  if (call.path !== '/chat/completions' || (call.method ?? 'POST') !== 'POST') {
    return errorReply(404, `The built-in demo model has no ${call.path}.`);
  }
  const request = readDemoRequest(body);
  if (request === undefined || body === undefined) {
    return errorReply(400, 'The body is not a chat request with a model and messages.');
  }
  if (!models.some((model) => model.name === request.model)) {
    return errorReply(404, `The model ${request.model} does not exist.`, 'model_not_found');
  }
  const answer = demoAnswer(request);
  if (answer.kind === 'error') return errorReply(answer.status, answer.message);
  return demoReply(request, answer, body, Math.floor(Date.now() / 1000));
}
