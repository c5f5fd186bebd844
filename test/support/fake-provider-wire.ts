import type { FakeFormat } from './fake-provider-strict.ts';

/** Tokens to bill, in our own words: `input` includes cached ones, `output` includes reasoning. */
export interface FakeUsage {
  input: number;
  output: number;
  cacheRead?: number;
  cacheWrite?: number;
  reasoning?: number;
  /** Part of `output`: what was predicted and did not come. */
  rejected?: number;
}

export interface FakeTool {
  id?: string;
  name: string;
  /** JSON text, sent as it is. */
  arguments: string;
}

/** What a reply says. */
export interface FakeSaid {
  /** Text of each choice, or of all of them; default a greeting. */
  text?: string | string[];
  /** Exact pieces of the text in a stream, instead of cutting it. */
  deltas?: string[];
  reasoning?: string;
  /** Signature of the reasoning (anthropic). */
  signature?: string;
  refusal?: string;
  tools?: FakeTool[];
  /** The format's own word for why it ended. */
  finish?: string;
  /** Exactly what is billed; false: no usage is told at all. Default: counted by words. */
  usage?: FakeUsage | false;
  /** Tells usage in a stream though nobody asked. */
  usageUnasked?: boolean;
  serviceTier?: string;
  /** Characters of a delta; default whole words. */
  delta_characters?: number;
  /** Pings and comments between deltas. */
  pings?: boolean;
}

export interface FakeAsked {
  model: string;
  choices: number;
  usageAsked: boolean;
  inputTokens: number;
}

const id = 'fake-0123456789';
const created = 1_790_000_000;

function textOf(said: FakeSaid, choice: number): string {
  if (said.deltas !== undefined) return said.deltas.join('');
  if (Array.isArray(said.text)) return said.text[choice] ?? '';
  if (said.text !== undefined) return said.text;
  return said.tools !== undefined || said.refusal !== undefined ? '' : 'Hello from the fake provider.';
}

function pieces(text: string, said: FakeSaid): string[] {
  const size = said.delta_characters;
  if (size === undefined) return text.match(/\s*\S+|\s+$/g) ?? [];
  const cut: string[] = [];
  for (let at = 0; at < text.length; at += size) cut.push(text.slice(at, at + size));
  return cut;
}

function deltasOf(said: FakeSaid, choice: number): string[] {
  return said.deltas ?? pieces(textOf(said, choice), said);
}

/** What is billed for a reply. */
export function usageOf(said: FakeSaid, asked: FakeAsked): FakeUsage | undefined {
  if (said.usage === false) return undefined;
  if (said.usage !== undefined) return said.usage;
  let output = 0;
  for (let choice = 0; choice < asked.choices; choice += 1) output += deltasOf(said, choice).length;
  return { input: asked.inputTokens, output: Math.max(1, output) };
}

function openaiUsage(usage: FakeUsage) {
  return {
    prompt_tokens: usage.input,
    completion_tokens: usage.output,
    total_tokens: usage.input + usage.output,
    prompt_tokens_details: {
      cached_tokens: usage.cacheRead ?? 0,
      ...(usage.cacheWrite === undefined ? undefined : { cache_write_tokens: usage.cacheWrite }),
    },
    completion_tokens_details: {
      reasoning_tokens: usage.reasoning ?? 0,
      ...(usage.rejected === undefined ? undefined : { rejected_prediction_tokens: usage.rejected }),
    },
  };
}

function anthropicUsage(usage: FakeUsage) {
  const read = usage.cacheRead ?? 0;
  const write = usage.cacheWrite ?? 0;
  return {
    input_tokens: usage.input - read - write,
    cache_read_input_tokens: read,
    cache_creation_input_tokens: write,
    output_tokens: usage.output,
    service_tier: 'standard',
  };
}

const toolId = (tool: FakeTool, index: number) => tool.id ?? `call_fake_${index}`;

/** The whole reply as a JSON value. */
export function plainBody(format: FakeFormat, said: FakeSaid, asked: FakeAsked): unknown {
  const usage = usageOf(said, asked);
  if (format === 'openai-chat') {
    return {
      id: `chatcmpl-${id}`,
      object: 'chat.completion',
      created,
      model: asked.model,
      choices: Array.from({ length: asked.choices }, (_, index) => ({
        index,
        message: {
          role: 'assistant',
          content: textOf(said, index) === '' ? null : textOf(said, index),
          refusal: said.refusal ?? null,
          ...(said.reasoning === undefined ? undefined : { reasoning_content: said.reasoning }),
          ...(said.tools === undefined
            ? undefined
            : {
                tool_calls: said.tools.map((tool, at) => ({
                  id: toolId(tool, at),
                  type: 'function',
                  function: { name: tool.name, arguments: tool.arguments },
                })),
              }),
        },
        logprobs: null,
        finish_reason: said.finish ?? (said.tools === undefined ? 'stop' : 'tool_calls'),
      })),
      ...(usage === undefined ? undefined : { usage: openaiUsage(usage) }),
      service_tier: said.serviceTier ?? 'default',
      system_fingerprint: 'fp_fake',
    };
  }
  const content: unknown[] = [];
  if (said.reasoning !== undefined) {
    content.push({ type: 'thinking', thinking: said.reasoning, signature: said.signature ?? 'c2ln' });
  }
  const text = said.refusal ?? textOf(said, 0);
  if (text !== '') content.push({ type: 'text', text });
  said.tools?.forEach((tool, at) => {
    content.push({
      type: 'tool_use',
      id: toolId(tool, at),
      name: tool.name,
      input: JSON.parse(tool.arguments || '{}'),
    });
  });
  return {
    id: `msg_${id}`,
    type: 'message',
    role: 'assistant',
    model: asked.model,
    content,
    stop_reason: stopReason(said),
    stop_sequence: null,
    ...(usage === undefined ? undefined : { usage: anthropicUsage(usage) }),
  };
}

function stopReason(said: FakeSaid): string {
  if (said.finish !== undefined) return said.finish;
  if (said.refusal !== undefined) return 'refusal';
  return said.tools === undefined ? 'end_turn' : 'tool_use';
}

/** The frames of a streamed reply; `true` marks those that carry a delta of text. */
export function streamFrames(format: FakeFormat, said: FakeSaid, asked: FakeAsked): string[] {
  return format === 'openai-chat' ? openaiFrames(said, asked) : anthropicFrames(said, asked);
}

function openaiFrames(said: FakeSaid, asked: FakeAsked): string[] {
  const frames: string[] = [];
  const usage = usageOf(said, asked);
  const tellsUsage = usage !== undefined && (asked.usageAsked || said.usageUnasked === true);
  const head = { id: `chatcmpl-${id}`, object: 'chat.completion.chunk', created, model: asked.model };
  const chunk = (index: number, delta: object, finish_reason: string | null = null) => {
    const choices = [{ index, delta, logprobs: null, finish_reason }];
    frames.push(`data: ${JSON.stringify({ ...head, choices, ...(tellsUsage ? { usage: null } : undefined) })}\n\n`);
  };
  for (let choice = 0; choice < asked.choices; choice += 1) chunk(choice, { role: 'assistant', content: '' });
  for (let choice = 0; choice < asked.choices; choice += 1) {
    for (const piece of pieces(said.reasoning ?? '', said)) chunk(choice, { reasoning_content: piece });
    for (const piece of pieces(said.refusal ?? '', said)) chunk(choice, { refusal: piece });
  }
  const texts = Array.from({ length: asked.choices }, (_, choice) => deltasOf(said, choice));
  for (let at = 0; at < Math.max(...texts.map((text) => text.length)); at += 1) {
    if (said.pings === true) frames.push(': ping\n\n');
    texts.forEach((deltas, choice) => {
      const delta = deltas[at];
      if (delta !== undefined) chunk(choice, { content: delta });
    });
  }
  for (let choice = 0; choice < asked.choices; choice += 1) {
    said.tools?.forEach((tool, index) => {
      const opening = {
        index,
        id: toolId(tool, index),
        type: 'function',
        function: { name: tool.name, arguments: '' },
      };
      chunk(choice, { tool_calls: [opening] });
      for (const piece of pieces(tool.arguments, said)) {
        chunk(choice, { tool_calls: [{ index, function: { arguments: piece } }] });
      }
    });
    chunk(choice, {}, said.finish ?? (said.tools === undefined ? 'stop' : 'tool_calls'));
  }
  if (tellsUsage && usage !== undefined) {
    frames.push(`data: ${JSON.stringify({ ...head, choices: [], usage: openaiUsage(usage) })}\n\n`);
  }
  frames.push('data: [DONE]\n\n');
  return frames;
}

function anthropicFrames(said: FakeSaid, asked: FakeAsked): string[] {
  const frames: string[] = [];
  const event = (type: string, rest: object = {}) =>
    frames.push(`event: ${type}\ndata: ${JSON.stringify({ type, ...rest })}\n\n`);
  const usage = usageOf(said, asked);
  const told = usage === undefined ? undefined : anthropicUsage(usage);
  event('message_start', {
    message: {
      id: `msg_${id}`,
      type: 'message',
      role: 'assistant',
      model: asked.model,
      content: [],
      stop_reason: null,
      stop_sequence: null,
      ...(told === undefined ? undefined : { usage: { ...told, output_tokens: 1 } }),
    },
  });
  event('ping');
  let index = 0;
  const block = (start: object, deltas: object[]) => {
    event('content_block_start', { index, content_block: start });
    for (const delta of deltas) {
      if (said.pings === true) event('ping');
      event('content_block_delta', { index, delta });
    }
    event('content_block_stop', { index });
    index += 1;
  };
  if (said.reasoning !== undefined) {
    const thoughts = pieces(said.reasoning, said).map((thinking) => ({ type: 'thinking_delta', thinking }));
    const signed = { type: 'signature_delta', signature: said.signature ?? 'c2ln' };
    block({ type: 'thinking', thinking: '', signature: '' }, [...thoughts, signed]);
  }
  const deltas = said.refusal === undefined ? deltasOf(said, 0) : pieces(said.refusal, said);
  if (deltas.length > 0) {
    const texts = deltas.map((text) => ({ type: 'text_delta', text }));
    block({ type: 'text', text: '' }, texts);
  }
  said.tools?.forEach((tool, at) => {
    const parts = pieces(tool.arguments, said).map((partial_json) => ({ type: 'input_json_delta', partial_json }));
    block({ type: 'tool_use', id: toolId(tool, at), name: tool.name, input: {} }, parts);
  });
  event('message_delta', {
    delta: { stop_reason: stopReason(said), stop_sequence: null },
    ...(told === undefined ? undefined : { usage: told }),
  });
  event('message_stop');
  return frames;
}

/** A refusal of the whole call in the format's own words. */
export function errorBody(format: FakeFormat, message: string, type: string, code: string | null): unknown {
  return format === 'openai-chat'
    ? { error: { message, type, param: null, code } }
    : { type: 'error', error: { type, message }, request_id: 'req_fake' };
}

/** An error as a frame of a stream that began with status 200. */
export function errorFrame(format: FakeFormat, message: string, type: string): string {
  const body = JSON.stringify(errorBody(format, message, type, null));
  return format === 'openai-chat' ? `data: ${body}\n\n` : `event: error\ndata: ${body}\n\n`;
}
