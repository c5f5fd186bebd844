import type {
  ChatMessage,
  ChatPart,
  ChatRequest,
  ChatTool,
  JsonPath,
  RawJson,
  RequestEdits,
} from '../../exchange/index.ts';
import { inexpressible, noteUnknown } from '../content.ts';
import { findSpans, isObject, type JsonObject, json, RawValues, writeJson } from '../json/index.ts';
import { objectJson } from './reply.ts';
import { budgetBelow } from './thinking.ts';

const carried = new Set([
  'model',
  'messages',
  'system',
  'tools',
  'tool_choice',
  'max_tokens',
  'temperature',
  'top_p',
  'top_k',
  'stop_sequences',
  'stream',
  'metadata',
  'thinking',
  'output_config',
]);

/** A Messages body in the neutral vocabulary. */
export function toChat(body: JsonObject, bytes: Buffer): ChatRequest {
  const unknown: JsonPath[] = [];
  const messages = messagesOf(body, bytes, unknown);
  const tools = toolsOf(body, bytes, unknown);
  const { max_tokens: max, temperature, top_p: topP, top_k: topK, stop_sequences: stop, stream } = body;
  const choice = isObject(body.tool_choice) ? body.tool_choice : {};
  const toolChoice = toolChoiceOf(choice);
  const parallel = choice.disable_parallel_tool_use;
  const metadata = isObject(body.metadata) ? body.metadata : {};
  noteUnknown(metadata, new Set(['user_id']), ['metadata'], unknown);
  const reasoning = reasoningOf(body, unknown);
  const responseFormat = responseFormatOf(body, bytes);
  for (const key in body) {
    const value = body[key];
    if (carried.has(key) || value === null || (key === 'service_tier' && value === 'auto')) continue;
    unknown.push([key]);
  }
  return {
    messages,
    tools,
    ...(toolChoice === undefined ? {} : { toolChoice }),
    ...(typeof parallel === 'boolean' ? { parallelToolCalls: !parallel } : {}),
    ...(typeof max === 'number' ? { maxOutputTokens: max } : {}),
    ...(typeof temperature === 'number' ? { temperature } : {}),
    ...(typeof topP === 'number' ? { topP } : {}),
    ...(typeof topK === 'number' ? { topK } : {}),
    ...(Array.isArray(stop) ? { stop: stop as string[] } : {}),
    choices: 1,
    stream: stream === true,
    ...(typeof metadata.user_id === 'string' ? { user: metadata.user_id } : {}),
    ...(reasoning === undefined ? {} : { reasoning }),
    ...(responseFormat === undefined ? {} : { responseFormat }),
    unknown,
  };
}

function toolChoiceOf({ type, name }: JsonObject): ChatRequest['toolChoice'] {
  if (type === 'auto' || type === 'none') return type;
  if (type === 'any') return 'required';
  return type === 'tool' && typeof name === 'string' ? { name } : undefined;
}

function reasoningOf(body: JsonObject, unknown: JsonPath[]): ChatRequest['reasoning'] {
  const thinking = isObject(body.thinking) ? body.thinking : {};
  const config = isObject(body.output_config) ? body.output_config : {};
  noteUnknown(config, new Set(['effort', 'format']), ['output_config'], unknown);
  const { budget_tokens: budget } = thinking;
  const { effort } = config;
  if (typeof budget !== 'number' && typeof effort !== 'string') return undefined;
  return {
    ...(typeof effort === 'string' ? { effort } : {}),
    ...(typeof budget === 'number' ? { budgetTokens: budget } : {}),
  };
}

/** The neutral response format is spelled as OpenAI does, around the schema as the client spelled it. */
function responseFormatOf(body: JsonObject, bytes: Buffer): RawJson | undefined {
  const config = body.output_config;
  if (!isObject(config) || !isObject(config.format)) return undefined;
  const path = ['output_config', 'format', 'schema'];
  const schema = new RawValues(bytes, [path]).at(path);
  if (schema === undefined) return undefined;
  return { json: `{"type":"json_schema","json_schema":{"name":"response","schema":${schema.json}}}` };
}

function toolsOf(body: JsonObject, bytes: Buffer, unknown: JsonPath[]): ChatTool[] {
  const tools = (body.tools ?? []) as readonly JsonObject[];
  const raws = new RawValues(
    bytes,
    tools.map((_, index) => ['tools', index, 'input_schema']),
  );
  return tools.flatMap((tool, index) => {
    const { type, name, description, strict } = tool;
    if (type !== undefined && type !== null && type !== 'custom') {
      // A tool the provider itself runs.
      unknown.push(['tools', index, String(type)]);
      return [];
    }
    const known = new Set(['type', 'name', 'description', 'input_schema', 'strict']);
    noteUnknown(tool, known, ['tools', index], unknown);
    const parameters = raws.at(['tools', index, 'input_schema']);
    return [
      {
        name: String(name ?? ''),
        ...(typeof description === 'string' ? { description } : {}),
        ...(parameters === undefined ? {} : { parameters }),
        ...(typeof strict === 'boolean' ? { strict } : {}),
      },
    ];
  });
}

function messagesOf(body: JsonObject, bytes: Buffer, unknown: JsonPath[]): ChatMessage[] {
  const messages = body.messages as readonly JsonObject[];
  const reader = new BlockReader(messages, bytes, unknown);
  const found: ChatMessage[] = [];
  const system = reader.parts(body.system, ['system']);
  if (system.length > 0) found.push({ role: 'system', parts: system });
  for (const [index, message] of messages.entries()) {
    const path = ['messages', index];
    const { role } = message;
    noteUnknown(message, new Set(['role', 'content']), path, unknown);
    const parts = reader.parts(message.content, [...path, 'content']);
    if (role === 'assistant' || role === 'system') found.push({ role, parts });
    else if (role === 'user') found.push(...userMessages(parts));
    else inexpressible([...path, 'role'], `the role ${JSON.stringify(role)}`);
  }
  return found;
}

/** Results of tools stand in the user's message here; elsewhere each is a message of its own. */
function userMessages(parts: readonly ChatPart[]): ChatMessage[] {
  const found: ChatMessage[] = [];
  let own: ChatPart[] = [];
  const flush = (): void => {
    if (own.length > 0) found.push({ role: 'user', parts: own });
    own = [];
  };
  for (const part of parts) {
    if (part.type !== 'tool_result') {
      own.push(part);
      continue;
    }
    flush();
    found.push({ role: 'tool', parts: [part] });
  }
  flush();
  return found.length === 0 ? [{ role: 'user', parts: [] }] : found;
}

class BlockReader {
  readonly #unknown: JsonPath[];
  readonly #inputs: RawValues;

  constructor(messages: readonly JsonObject[], bytes: Buffer, unknown: JsonPath[]) {
    this.#unknown = unknown;
    const paths: JsonPath[] = [];
    for (const [index, { content }] of messages.entries()) {
      if (!Array.isArray(content)) continue;
      for (const [place, block] of (content as readonly JsonObject[]).entries()) {
        if (block.type === 'tool_use') paths.push(['messages', index, 'content', place, 'input']);
      }
    }
    this.#inputs = new RawValues(bytes, paths);
  }

  parts(content: unknown, path: JsonPath): ChatPart[] {
    if (typeof content === 'string') return content === '' ? [] : [{ type: 'text', text: content }];
    if (!Array.isArray(content)) return [];
    return (content as readonly JsonObject[]).flatMap((block, index) => this.#part(block, [...path, index]));
  }

  #part(block: JsonObject, path: JsonPath): ChatPart[] {
    const type = String(block.type);
    switch (type) {
      case 'text':
        this.#note(block, path, 'text');
        return [{ type, text: String(block.text) }];
      case 'image':
        this.#note(block, path, 'source');
        return [imagePart(block.source, path)];
      case 'document':
        this.#note(block, path, 'source', 'title');
        return this.#document(block, path);
      case 'thinking': {
        this.#note(block, path, 'thinking', 'signature');
        const { signature } = block;
        const text = String(block.thinking ?? '');
        return [
          { type: 'reasoning', text, ...(typeof signature === 'string' && signature !== '' ? { signature } : {}) },
        ];
      }
      case 'tool_use':
        this.#note(block, path, 'id', 'name', 'input', 'caller');
        return [
          {
            type: 'tool_call',
            id: String(block.id ?? ''),
            name: String(block.name ?? ''),
            arguments: this.#inputs.at([...path, 'input']) ?? { json: '{}' },
          },
        ];
      case 'tool_result':
        this.#note(block, path, 'tool_use_id', 'content', 'is_error');
        return [
          {
            type: 'tool_result',
            id: String(block.tool_use_id ?? ''),
            parts: this.parts(block.content, [...path, 'content']),
            error: block.is_error === true,
          },
        ];
      case 'search_result':
        this.#note(block, path, 'content');
        return this.parts(block.content, [...path, 'content']);
      case 'redacted_thinking':
      case 'server_tool_use':
        // Only their own provider can read them back.
        this.#unknown.push([...path, type]);
        return [];
      default:
        if (!type.endsWith('_tool_result')) inexpressible(path, `a block of type ${JSON.stringify(type)}`);
        this.#unknown.push([...path, type]);
        return [];
    }
  }

  #note(block: JsonObject, path: JsonPath, ...known: readonly string[]): void {
    noteUnknown(block, new Set(['type', ...known]), path, this.#unknown);
  }

  #document(block: JsonObject, path: JsonPath): ChatPart[] {
    const source = isObject(block.source) ? block.source : {};
    const { type, data, media_type: mediaType, url } = source;
    const name = typeof block.title === 'string' ? { name: block.title } : {};
    if (type === 'base64' && typeof data === 'string') {
      return [{ type: 'document', ...(typeof mediaType === 'string' ? { mediaType } : {}), base64: data, ...name }];
    }
    if (type === 'url' && typeof url === 'string') return [{ type: 'document', url, ...name }];
    if (type === 'text' && typeof data === 'string') return [{ type: 'text', text: data }];
    if (type === 'content') return this.parts(source.content, [...path, 'source', 'content']);
    return inexpressible([...path, 'source'], 'a document by its id');
  }
}

function imagePart(source: unknown, path: JsonPath): ChatPart {
  if (isObject(source)) {
    const { type, data, media_type: mediaType, url } = source;
    if (type === 'base64' && typeof data === 'string') {
      return { type: 'image', mediaType: typeof mediaType === 'string' ? mediaType : 'image/png', base64: data };
    }
    if (type === 'url' && typeof url === 'string') return { type: 'image', url };
  }
  return inexpressible([...path, 'source'], 'an image by its id');
}

/** The format does not work without a limit. One that answers of any length fit into, and that old models take too. */
const maxTokensDefault = 4096;

/** The neutral request as a Messages body, with what could not be said. */
export function fromChat(
  chat: ChatRequest,
  edits: RequestEdits,
): { readonly body: Buffer; readonly warnings: readonly string[] } {
  const warnings: string[] = [];
  const system: ChatPart[] = [];
  const rest: ChatMessage[] = [];
  for (const [index, message] of chat.messages.entries()) {
    if (message.role !== 'system') rest.push(message);
    else {
      if (rest.length > 0) warnings.push(`messages[${index}]: a system message amid others, moved to the front`);
      system.push(...message.parts);
    }
  }
  const max = edits.maxOutputTokens ?? chat.maxOutputTokens ?? maxTokensDefault;
  if (edits.maxOutputTokens === undefined && chat.maxOutputTokens === undefined) {
    warnings.push(`max_tokens: not given, set to ${max}`);
  }
  if (chat.choices > 1) warnings.push('n: cannot be expressed in Anthropic Messages, one choice asked for');
  const budget = chat.reasoning?.budgetTokens;
  const fitting = budget === undefined ? undefined : budgetBelow(budget, max);
  if (fitting !== budget) warnings.push(`thinking.budget_tokens: ${fitting ?? 'left out'}, to stay below max_tokens`);
  const body = {
    model: edits.model,
    max_tokens: max,
    system: system.length === 0 ? undefined : contentBody(system, warnings),
    messages: messagesBody(rest, warnings),
    tools: chat.tools.length === 0 ? undefined : chat.tools.map(toolBody),
    tool_choice: toolChoiceBody(chat, warnings),
    thinking: fitting === undefined ? undefined : { type: 'enabled', budget_tokens: fitting },
    output_config: outputConfig(chat, warnings),
    temperature: temperatureBody(chat, fitting !== undefined, warnings),
    top_p: chat.topP,
    top_k: chat.topK,
    stop_sequences: chat.stop,
    metadata: chat.user === undefined ? undefined : { user_id: chat.user },
    stream: chat.stream ? true : undefined,
  };
  return { body: Buffer.from(writeJson(body)), warnings };
}

function toolBody({ name, description, parameters, strict }: ChatTool): JsonObject {
  return { name, description, input_schema: json(parameters ?? { json: '{"type":"object","properties":{}}' }), strict };
}

function toolChoiceBody(chat: ChatRequest, warnings: string[]): JsonObject | undefined {
  const { toolChoice, parallelToolCalls, tools } = chat;
  if (toolChoice === undefined && parallelToolCalls === undefined) return undefined;
  const named = typeof toolChoice === 'object' && !tools.some(({ name }) => name === toolChoice.name);
  if (tools.length === 0 || named) {
    warnings.push('tool_choice: there is no such tool, left out');
    return undefined;
  }
  if (toolChoice === 'none') return { type: 'none' };
  const disable = parallelToolCalls === undefined ? undefined : !parallelToolCalls;
  if (typeof toolChoice === 'object')
    return { type: 'tool', name: toolChoice.name, disable_parallel_tool_use: disable };
  return { type: toolChoice === 'required' ? 'any' : 'auto', disable_parallel_tool_use: disable };
}

const efforts = new Set(['low', 'medium', 'high', 'xhigh', 'max']);

function outputConfig(chat: ChatRequest, warnings: string[]): JsonObject | undefined {
  const { responseFormat, reasoning } = chat;
  const asked = reasoning?.effort;
  const effort = asked === 'minimal' ? 'low' : asked;
  if (asked === 'minimal') warnings.push('reasoning_effort: minimal is sent as low');
  const known = effort !== undefined && efforts.has(effort);
  if (effort !== undefined && effort !== 'none' && !known) {
    warnings.push('reasoning_effort: cannot be expressed in Anthropic Messages, left out');
  }
  const schema = responseFormat === undefined ? undefined : schemaOf(responseFormat);
  if (responseFormat !== undefined && schema === undefined) {
    warnings.push('response_format: only a JSON schema can be expressed in Anthropic Messages, left out');
  }
  if (!known && schema === undefined) return undefined;
  return {
    effort: known ? effort : undefined,
    format: schema === undefined ? undefined : { type: 'json_schema', schema: json(schema) },
  };
}

function schemaOf(format: RawJson): RawJson | undefined {
  const bytes = Buffer.from(format.json);
  const [span] = findSpans(bytes, [['json_schema', 'schema']]);
  return span === undefined ? undefined : { json: bytes.toString('utf8', span.start, span.end) };
}

function temperatureBody(chat: ChatRequest, thinking: boolean, warnings: string[]): number | undefined {
  const { temperature } = chat;
  if (temperature === undefined) return undefined;
  if (thinking && temperature !== 1) {
    warnings.push('temperature: cannot be set while thinking, left out');
    return undefined;
  }
  if (temperature <= 1) return temperature;
  warnings.push('temperature: at most 1 here, lowered');
  return 1;
}

/** Results of tools and the user's words that follow them are one message here. */
function messagesBody(messages: readonly ChatMessage[], warnings: string[]): JsonObject[] {
  const bodies: { readonly role: string; readonly parts: ChatPart[]; readonly results: boolean }[] = [];
  for (const { role, parts } of messages) {
    const last = bodies.at(-1);
    const joins = last?.results === true && (role === 'tool' || (role === 'user' && !last.parts.some(isOwn)));
    if (joins) last?.parts.push(...parts);
    else bodies.push({ role: role === 'tool' ? 'user' : role, parts: [...parts], results: role === 'tool' });
  }
  return bodies.flatMap(({ role, parts }) => {
    const content = contentBody(parts, warnings);
    return content.length === 0 ? [] : [{ role, content }];
  });
}

function isOwn(part: ChatPart): boolean {
  return part.type !== 'tool_result';
}

function contentBody(parts: readonly ChatPart[], warnings: string[]): string | JsonObject[] {
  const [first] = parts;
  if (parts.length === 1 && first?.type === 'text') return first.text;
  return parts.flatMap((part) => blockOf(part, warnings));
}

function blockOf(part: ChatPart, warnings: string[]): JsonObject[] {
  switch (part.type) {
    case 'text':
    case 'refusal':
      // Empty text blocks are refused by the API.
      return part.text === '' ? [] : [{ type: 'text', text: part.text }];
    case 'image':
      return [{ type: 'image', source: sourceOf(part, 'image/png') }];
    case 'document':
      return [{ type: 'document', source: sourceOf(part, 'application/pdf'), title: part.name }];
    case 'audio':
      return inexpressible(['messages'], 'audio');
    case 'reasoning':
      if (part.signature !== undefined) {
        return [{ type: 'thinking', thinking: part.text, signature: part.signature }];
      }
      warnings.push('reasoning_content: without a signature it cannot be sent back to Anthropic, left out');
      return [];
    case 'tool_call':
      return [
        { type: 'tool_use', id: part.id, name: part.name, input: json({ json: objectJson(part.arguments.json) }) },
      ];
    case 'tool_result': {
      const content = contentBody(part.parts, warnings);
      return [
        {
          type: 'tool_result',
          tool_use_id: part.id,
          content: content.length === 0 ? undefined : content,
          is_error: part.error ? true : undefined,
        },
      ];
    }
  }
}

function sourceOf(part: Extract<ChatPart, { type: 'image' | 'document' }>, mediaType: string): JsonObject {
  if (part.base64 === undefined) return { type: 'url', url: part.url ?? '' };
  return { type: 'base64', media_type: part.mediaType ?? mediaType, data: part.base64 };
}
