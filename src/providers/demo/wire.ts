import { createHash } from 'node:crypto';
import { type DemoAnswer, demoTokens } from './answer.ts';
import type { DemoRequest } from './request.ts';

/** A reply of the demo model in OpenAI's chat format, cut into the pieces it is sent in. */
export interface DemoReply {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly pieces: readonly Buffer[];
  /** The connection is lost after the last piece. */
  readonly breaksOff: boolean;
}

type Said = Exclude<DemoAnswer, { kind: 'error' }>;

export function errorReply(status: number, message: string, code: string | null = null): DemoReply {
  const type = status === 429 ? 'rate_limit_error' : status >= 500 ? 'server_error' : 'invalid_request_error';
  return {
    status,
    headers: {
      'content-type': 'application/json',
      ...(status === 429 || status === 503 ? { 'retry-after': '1' } : undefined),
    },
    pieces: [Buffer.from(JSON.stringify({ error: { message, type, param: null, code } }))],
    breaksOff: false,
  };
}

/** The reply to a request, plain or streamed as it asks. `created_s` is Unix time in seconds. */
export function demoReply(request: DemoRequest, answer: Said, body: Buffer, created_s: number): DemoReply {
  const id = `chatcmpl-demo-${createHash('sha256').update(body).digest('hex').slice(0, 24)}`;
  const head = { id, created: created_s, model: request.model };
  const choices = Array.from({ length: request.choices }, (_, index) => choiceOf(request, answer, index));
  const usage = usageOf(request, choices);
  const breaksOff = answer.kind === 'text' && answer.breaksOff;
  if (request.stream) {
    const pieces = streamed(request, answer, head, choices, usage);
    const half = Math.max(1, Math.ceil(pieces.length / 2));
    return {
      status: 200,
      headers: { 'content-type': 'text/event-stream; charset=utf-8' },
      pieces: breaksOff ? pieces.slice(0, half) : pieces,
      breaksOff,
    };
  }
  const whole = Buffer.from(
    JSON.stringify({
      ...head,
      object: 'chat.completion',
      choices: choices.map((choice, index) => ({
        index,
        message: message(answer, choice),
        logprobs: null,
        finish_reason: choice.reason,
      })),
      usage,
    }),
  );
  return {
    status: 200,
    headers: { 'content-type': 'application/json' },
    pieces: breaksOff ? [whole.subarray(0, whole.length >> 1)] : [whole],
    breaksOff,
  };
}

interface Choice {
  readonly tokens: readonly string[];
  readonly callId: string;
  readonly reason: 'stop' | 'length' | 'tool_calls';
}

function choiceOf(request: DemoRequest, answer: Said, index: number): Choice {
  const callId = `call_demo_${index}`;
  if (answer.kind === 'tool') return { tokens: demoTokens(answer.arguments), callId, reason: 'tool_calls' };
  const all = demoTokens(index === 0 ? answer.text : `${answer.text} (choice ${index + 1})`);
  const tokens = all.slice(0, request.maxTokens);
  return { tokens, callId, reason: tokens.length < all.length ? 'length' : 'stop' };
}

function usageOf(request: DemoRequest, choices: readonly Choice[]) {
  const prompt_tokens = Math.max(1, demoTokens(request.allText).length);
  const completion_tokens = choices.reduce((sum, choice) => sum + choice.tokens.length, 0);
  return {
    prompt_tokens,
    completion_tokens,
    total_tokens: prompt_tokens + completion_tokens,
    prompt_tokens_details: { cached_tokens: 0 },
    completion_tokens_details: { reasoning_tokens: 0 },
  };
}

function message(answer: Said, { tokens, callId }: Choice) {
  if (answer.kind === 'text') return { role: 'assistant', content: tokens.join(''), refusal: null };
  const called = { name: answer.name, arguments: answer.arguments };
  return {
    role: 'assistant',
    content: null,
    refusal: null,
    tool_calls: [{ id: callId, type: 'function', function: called }],
  };
}

function streamed(
  request: DemoRequest,
  answer: Said,
  head: { id: string; created: number; model: string },
  choices: readonly Choice[],
  usage: ReturnType<typeof usageOf>,
): Buffer[] {
  const pieces: Buffer[] = [];
  const event = (value: string) => pieces.push(Buffer.from(`data: ${value}\n\n`));
  const chunk = (index: number, delta: object, finish_reason: string | null) =>
    event(
      JSON.stringify({
        ...head,
        object: 'chat.completion.chunk',
        choices: [{ index, delta, logprobs: null, finish_reason }],
        ...(request.usageAsked ? { usage: null } : undefined),
      }),
    );
  choices.forEach((choice, index) => {
    chunk(index, opening(answer, choice), null);
  });
  const longest = Math.max(...choices.map((choice) => choice.tokens.length));
  for (let at = 0; at < longest; at += 1) {
    choices.forEach(({ tokens }, index) => {
      const token = tokens[at];
      if (token === undefined) return;
      if (answer.kind === 'text') chunk(index, { content: token }, null);
      else chunk(index, { tool_calls: [{ index: 0, function: { arguments: token } }] }, null);
    });
  }
  choices.forEach((choice, index) => {
    chunk(index, {}, choice.reason);
  });
  if (request.usageAsked) event(JSON.stringify({ ...head, object: 'chat.completion.chunk', choices: [], usage }));
  event('[DONE]');
  return pieces;
}

function opening(answer: Said, { callId }: Choice): object {
  if (answer.kind === 'text') return { role: 'assistant', content: '', refusal: null };
  const called = { index: 0, id: callId, type: 'function', function: { name: answer.name, arguments: '' } };
  return { role: 'assistant', content: null, tool_calls: [called] };
}
