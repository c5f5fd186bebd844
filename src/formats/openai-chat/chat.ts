import type { ChatMessage, ChatPart, ChatRequest, ChatTool, JsonPath, RequestEdits } from '../../exchange/index.ts';
import { fromDataUrl, inexpressible, noteUnknown, textOf, toDataUrl } from '../content.ts';
import { isObject, type JsonObject, json, RawValues, writeJson } from '../json/index.ts';

const carried = new Set([
  'model',
  'messages',
  'tools',
  'functions',
  'tool_choice',
  'function_call',
  'parallel_tool_calls',
  'max_tokens',
  'max_completion_tokens',
  'temperature',
  'top_p',
  'top_k',
  'stop',
  'n',
  'stream',
  'stream_options',
  'user',
  'reasoning_effort',
  'response_format',
]);

/** Values that ask for nothing but what happens anyway: leaving them out needs no warning. */
const idle: Readonly<Record<string, readonly unknown[]>> = {
  frequency_penalty: [0],
  presence_penalty: [0],
  logprobs: [false],
  store: [false],
  service_tier: ['auto', 'default'],
  verbosity: ['medium'],
};

/** A Chat Completions body in the neutral vocabulary. */
export function toChat(body: JsonObject, bytes: Buffer): ChatRequest {
  const unknown: JsonPath[] = [];
  const tools = toolsOf(body, bytes, unknown);
  const choice = toolChoiceOf(body, unknown);
  const max = body.max_completion_tokens ?? body.max_tokens;
  const { stop, temperature, top_p: topP, top_k: topK, user, n, stream } = body;
  const format = new RawValues(bytes, [['response_format']]).at(['response_format']);
  const formatType = isObject(body.response_format) ? body.response_format.type : undefined;
  for (const key in body) {
    const value = body[key];
    if (carried.has(key) || value === null || idle[key]?.includes(value)) continue;
    if (typeof value === 'object' && value !== null && Object.keys(value).length === 0) continue;
    unknown.push([key]);
  }
  return {
    messages: messagesOf(body.messages as readonly JsonObject[], unknown),
    tools,
    ...(choice === undefined ? {} : { toolChoice: choice }),
    ...(typeof body.parallel_tool_calls === 'boolean' ? { parallelToolCalls: body.parallel_tool_calls } : {}),
    ...(typeof max === 'number' ? { maxOutputTokens: max } : {}),
    ...(typeof temperature === 'number' ? { temperature } : {}),
    ...(typeof topP === 'number' ? { topP } : {}),
    ...(typeof topK === 'number' ? { topK } : {}),
    ...(typeof stop === 'string' ? { stop: [stop] } : Array.isArray(stop) ? { stop: stop as string[] } : {}),
    choices: typeof n === 'number' ? n : 1,
    stream: stream === true,
    ...(typeof user === 'string' ? { user } : {}),
    ...(typeof body.reasoning_effort === 'string' ? { reasoning: { effort: body.reasoning_effort } } : {}),
    ...(format === undefined || formatType === 'text' ? {} : { responseFormat: format }),
    unknown,
  };
}

function toolsOf(body: JsonObject, bytes: Buffer, unknown: JsonPath[]): ChatTool[] {
  const tools = (body.tools ?? []) as readonly JsonObject[];
  const functions = (body.functions ?? []) as readonly JsonObject[];
  const definitions: { readonly definition: JsonObject; readonly path: JsonPath }[] = [];
  for (const [index, tool] of tools.entries()) {
    if (isObject(tool.function)) {
      definitions.push({ definition: tool.function, path: ['tools', index, 'function'] });
      noteUnknown(tool, new Set(['type', 'function']), ['tools', index], unknown);
    } else unknown.push(['tools', index, String(tool.type ?? 'custom')]);
  }
  for (const [index, definition] of functions.entries()) definitions.push({ definition, path: ['functions', index] });
  const raws = new RawValues(
    bytes,
    definitions.map(({ path }) => [...path, 'parameters']),
  );
  return definitions.map(({ definition, path }) => {
    const { name, description, strict } = definition;
    const parameters = raws.at([...path, 'parameters']);
    noteUnknown(definition, new Set(['name', 'description', 'parameters', 'strict']), path, unknown);
    return {
      name: String(name ?? ''),
      ...(typeof description === 'string' ? { description } : {}),
      ...(parameters === undefined ? {} : { parameters }),
      ...(typeof strict === 'boolean' ? { strict } : {}),
    };
  });
}

function toolChoiceOf(body: JsonObject, unknown: JsonPath[]): ChatRequest['toolChoice'] {
  const choice = body.tool_choice ?? body.function_call ?? undefined;
  if (choice === 'auto' || choice === 'none' || choice === 'required') return choice;
  if (!isObject(choice)) return undefined;
  const named = isObject(choice.function) ? choice.function : choice;
  if (typeof named.name === 'string') return { name: named.name };
  unknown.push(['tool_choice']);
  const allowed = choice.allowed_tools;
  const mode = isObject(allowed) ? allowed.mode : undefined;
  return mode === 'auto' || mode === 'required' ? mode : undefined;
}

const messageKeys = new Set([
  'role',
  'content',
  'refusal',
  'reasoning_content',
  'reasoning',
  'tool_calls',
  'function_call',
  'tool_call_id',
]);

function messagesOf(messages: readonly JsonObject[], unknown: JsonPath[]): ChatMessage[] {
  const calls = new LegacyCalls();
  return messages.map((message, index): ChatMessage => {
    const path = ['messages', index];
    const role = message.role;
    const known = role === 'function' ? new Set([...messageKeys, 'name']) : messageKeys;
    noteUnknown(message, known, path, unknown);
    const parts = partsOf(message.content, [...path, 'content'], unknown);
    if (role === 'system' || role === 'developer') return { role: 'system', parts };
    if (role === 'user') return { role, parts };
    if (role === 'tool' || role === 'function') {
      const id = role === 'tool' ? String(message.tool_call_id ?? '') : calls.answer(String(message.name ?? ''));
      return { role: 'tool', parts: [{ type: 'tool_result', id, parts, error: false }] };
    }
    if (role === 'assistant') return { role, parts: assistantParts(message, parts, path, calls, unknown) };
    return inexpressible([...path, 'role'], `the role ${JSON.stringify(role)}`);
  });
}

/** Calls of the time before tool ids: each gets one, and a result finds the last call of its function. */
class LegacyCalls {
  #count = 0;
  readonly #last = new Map<string, string>();

  call(name: string): string {
    this.#count += 1;
    const id = `call_${this.#count}`;
    this.#last.set(name, id);
    return id;
  }

  answer(name: string): string {
    return this.#last.get(name) ?? this.call(name);
  }
}

function assistantParts(
  message: JsonObject,
  content: readonly ChatPart[],
  path: JsonPath,
  legacy: LegacyCalls,
  unknown: JsonPath[],
): ChatPart[] {
  const parts: ChatPart[] = [];
  const { refusal, reasoning_content: reasoningContent, reasoning, function_call: called } = message;
  const thought = reasoningContent || reasoning;
  if (typeof thought === 'string' && thought !== '') parts.push({ type: 'reasoning', text: thought });
  parts.push(...content);
  if (typeof refusal === 'string' && refusal !== '') parts.push({ type: 'refusal', text: refusal });
  const calls = (message.tool_calls ?? []) as readonly JsonObject[];
  for (const [index, call] of calls.entries()) {
    noteUnknown(call, new Set(['id', 'type', 'index', 'function', 'custom']), [...path, 'tool_calls', index], unknown);
    parts.push(callPart(call));
  }
  if (isObject(called)) {
    const name = String(called.name ?? '');
    parts.push({
      type: 'tool_call',
      id: legacy.call(name),
      name,
      arguments: { json: String(called.arguments ?? '') },
    });
  }
  return parts;
}

function callPart(call: JsonObject): ChatPart {
  const id = String(call.id ?? '');
  const { custom, function: called } = call;
  if (isObject(custom)) {
    // A custom tool takes free text; elsewhere its input is an object with one member.
    const input = JSON.stringify({ input: String(custom.input ?? '') });
    return { type: 'tool_call', id, name: String(custom.name ?? ''), arguments: { json: input } };
  }
  const inner = isObject(called) ? called : {};
  const text = String(inner.arguments ?? '');
  return { type: 'tool_call', id, name: String(inner.name ?? ''), arguments: { json: text === '' ? '{}' : text } };
}

function partsOf(content: unknown, path: JsonPath, unknown: JsonPath[]): ChatPart[] {
  if (typeof content === 'string') return content === '' ? [] : [{ type: 'text', text: content }];
  if (!Array.isArray(content)) return [];
  return (content as readonly JsonObject[]).map((part, index) => partOf(part, [...path, index], unknown));
}

function partOf(part: JsonObject, path: JsonPath, unknown: JsonPath[]): ChatPart {
  const type = String(part.type);
  noteUnknown(part, new Set(['type', type]), path, unknown);
  const inner = part[type];
  if (type === 'text') return { type, text: String(inner) };
  if (type === 'refusal' && typeof inner === 'string') return { type, text: inner };
  if (!isObject(inner)) return inexpressible(path, `a part of type ${JSON.stringify(type)}`);
  if (type === 'image_url') return imagePart(inner);
  if (type === 'input_audio') {
    return { type: 'audio', base64: String(inner.data ?? ''), encoding: String(inner.format ?? '') };
  }
  if (type === 'file' && typeof inner.file_data === 'string') return filePart(inner, inner.file_data);
  return inexpressible(path, type === 'file' ? 'a file by its id' : `a part of type ${JSON.stringify(type)}`);
}

function imagePart(image: JsonObject): ChatPart {
  const url = String(image.url ?? '');
  const detail = typeof image.detail === 'string' ? { detail: image.detail } : {};
  const data = fromDataUrl(url);
  return data === undefined ? { type: 'image', url, ...detail } : { type: 'image', ...data, ...detail };
}

function filePart(file: JsonObject, data: string): ChatPart {
  const name = typeof file.filename === 'string' ? { name: file.filename } : {};
  return { type: 'document', ...(fromDataUrl(data) ?? { mediaType: 'application/pdf', base64: data }), ...name };
}

/** The neutral request as a Chat Completions body, with what could not be said. */
export function fromChat(
  chat: ChatRequest,
  edits: RequestEdits,
  usage: boolean,
): { readonly body: Buffer; readonly warnings: readonly string[] } {
  const warnings: string[] = [];
  const { toolChoice, reasoning } = chat;
  if (chat.topK !== undefined) warnings.push('top_k: cannot be expressed in OpenAI Chat, left out');
  const effort = reasoning?.effort ?? effortOf(reasoning?.budgetTokens);
  if (reasoning?.budgetTokens !== undefined && reasoning.effort === undefined) {
    warnings.push(`thinking.budget_tokens: sent as reasoning_effort ${effort}`);
  }
  const body = {
    model: edits.model,
    messages: messagesBody(chat.messages, warnings),
    tools: chat.tools.length === 0 ? undefined : chat.tools.map(toolBody),
    tool_choice: typeof toolChoice === 'object' ? { type: 'function', function: toolChoice } : toolChoice,
    parallel_tool_calls: chat.parallelToolCalls,
    max_completion_tokens: edits.maxOutputTokens ?? chat.maxOutputTokens,
    temperature: chat.temperature,
    top_p: chat.topP,
    stop: chat.stop,
    n: chat.choices === 1 ? undefined : chat.choices,
    user: chat.user,
    reasoning_effort: effort,
    response_format: json(chat.responseFormat),
    stream: chat.stream ? true : undefined,
    stream_options: chat.stream && usage ? { include_usage: true } : undefined,
  };
  return { body: Buffer.from(writeJson(body)), warnings };
}

/** A word for a budget of thinking tokens: quarters of what long-thinking models are commonly given. */
function effortOf(budget: number | undefined): string | undefined {
  if (budget === undefined) return undefined;
  if (budget <= 4096) return 'low';
  return budget <= 16384 ? 'medium' : 'high';
}

function toolBody({ name, description, parameters, strict }: ChatTool): JsonObject {
  return { type: 'function', function: { name, description, parameters: json(parameters), strict } };
}

function messagesBody(messages: readonly ChatMessage[], warnings: string[]): JsonObject[] {
  const bodies: JsonObject[] = [];
  let images: ChatPart[] = [];
  const flush = (): void => {
    // Results take only text here; what a tool showed follows them as the user's.
    if (images.length > 0) bodies.push({ role: 'user', content: contentBody(images) });
    images = [];
  };
  for (const [index, { role, parts }] of messages.entries()) {
    if (role !== 'tool') flush();
    if (role === 'assistant') bodies.push(assistantBody(parts));
    else if (role !== 'tool') bodies.push({ role, content: contentBody(parts) });
    else {
      for (const part of parts) {
        if (part.type !== 'tool_result') continue;
        if (part.error) warnings.push(`messages[${index}].is_error: cannot be expressed in OpenAI Chat, left out`);
        bodies.push({ role: 'tool', tool_call_id: part.id, content: contentBody(part.parts.filter(isText)) });
        images.push(...part.parts.filter((one) => !isText(one)));
      }
    }
  }
  flush();
  return bodies;
}

function isText(part: ChatPart): boolean {
  return part.type === 'text';
}

function assistantBody(parts: readonly ChatPart[]): JsonObject {
  const calls = parts.flatMap((part) => {
    if (part.type !== 'tool_call') return [];
    return [{ id: part.id, type: 'function', function: { name: part.name, arguments: part.arguments.json } }];
  });
  const texts = parts.filter(isText);
  const reasoning = parts.map((part) => (part.type === 'reasoning' ? part.text : '')).join('');
  const refusal = parts.map((part) => (part.type === 'refusal' ? part.text : '')).join('');
  return {
    role: 'assistant',
    content: texts.length === 0 ? null : contentBody(texts),
    refusal: refusal === '' ? undefined : refusal,
    // Not in OpenAI's own schema; the providers that reason in the open want it back with tool calls.
    reasoning_content: reasoning === '' ? undefined : reasoning,
    tool_calls: calls.length === 0 ? undefined : calls,
  };
}

function contentBody(parts: readonly ChatPart[]): string | JsonObject[] {
  if (parts.length === 0 || (parts.length === 1 && parts.every(isText))) return textOf(parts);
  return parts.map((part) => partBody(part));
}

function partBody(part: ChatPart): JsonObject {
  switch (part.type) {
    case 'text':
      return { type: 'text', text: part.text };
    case 'refusal':
      return { type: 'refusal', refusal: part.text };
    case 'image': {
      const { url, mediaType, base64, detail } = part;
      const address = base64 === undefined ? (url ?? '') : toDataUrl(mediaType ?? 'image/png', base64);
      return { type: 'image_url', image_url: { url: address, detail } };
    }
    case 'document': {
      const { mediaType, base64, name } = part;
      if (base64 === undefined) return inexpressible(['messages'], 'a document by its address');
      const data = toDataUrl(mediaType ?? 'application/pdf', base64);
      return { type: 'file', file: { filename: name, file_data: data } };
    }
    case 'audio':
      return { type: 'input_audio', input_audio: { data: part.base64, format: part.encoding } };
    case 'reasoning':
    case 'tool_call':
    case 'tool_result':
      return inexpressible(['messages'], `a part of type ${JSON.stringify(part.type)} in this place`);
  }
}
