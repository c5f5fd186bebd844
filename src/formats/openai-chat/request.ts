import type { EncodedRequest, JsonPath, Passage, RequestEdits, RequestView, Role } from '../../exchange/index.ts';
import {
  bodyOf,
  checkContent,
  messagesOf,
  modelOf,
  modelsIn,
  optionalBoolean,
  optionalInteger,
  optionalNumber,
  optionalObjects,
  optionalString,
  refuse,
} from '../fields.ts';
import { findSpans, isObject, type JsonEdit, type JsonObject, parseStrict, splice, under } from '../json/index.ts';
import { Passages } from '../passages.ts';
import { applyQuirks, leftBehind } from '../quirks.ts';
import { policyEdits, type Reading, View } from '../view.ts';
import { fromChat, toChat } from './chat.ts';

const path = '/chat/completions';
const headers = { 'content-type': 'application/json' };

/** Reads a Chat Completions body. Throws `invalid_request` naming the field at fault. */
export function read(bytes: Buffer): RequestView {
  const body = bodyOf(parseStrict(bytes));
  const model = modelOf(body);
  const messages = messagesOf(body);
  messages.forEach(checkMessage);
  const tools = optionalObjects(body.tools, 'tools');
  const functions = optionalObjects(body.functions, 'functions');
  checkStop(body.stop);
  const stream = optionalBoolean(body, 'stream') ?? false;
  const options = body.stream_options ?? {};
  if (!isObject(options)) refuse('stream_options', 'an object');
  const completion = optionalInteger(body, 'max_completion_tokens', 1);
  const legacy = optionalInteger(body, 'max_tokens', 1);
  const hosted = hostedCallsOf(tools, body);
  const maxOutputTokens =
    completion === undefined || legacy === undefined ? (completion ?? legacy) : Math.max(completion, legacy);
  const temperature = optionalNumber(body, 'temperature');
  const user = optionalString(body, 'user', 'user');
  const metadata = body.metadata ?? undefined;
  if (metadata !== undefined && !isObject(metadata)) refuse('metadata', 'an object');
  return new View(
    {
      format: 'openai-chat',
      bytes,
      model,
      stream,
      choices: optionalInteger(body, 'n', 1, 128) ?? 1,
      maxOutputTokens,
      predictedBytes: predictedBytes(body.prediction),
      unseenOutput: asksUnseen(body),
      temperature,
      toolNames: tools.length === 0 && functions.length === 0 ? none : toolNamesOf(tools, functions),
      otherModels: hosted === undefined ? undefined : modelsIn(tools.map(({ parameters }) => parameters)),
      hasImages: messages.some(hasImage),
      usageAsked: stream && options.include_usage === true,
      // Providers of this format cache by themselves.
      cacheWrites: true,
      readsElsewhere: hosted !== undefined || Array.isArray(body.data_sources) || messages.some(readsElsewhere),
      compactsFrom: undefined,
      hostedCalls: hosted,
      inferenceGeo: undefined,
      serviceTier: typeof body.service_tier === 'string' ? body.service_tier : undefined,
      user,
      metadata,
    },
    body,
    reading,
  );
}

/** As JSON it is never shorter than its text, in whatever parts that is written. */
function predictedBytes(prediction: unknown): number | undefined {
  return prediction === undefined || prediction === null ? undefined : Buffer.byteLength(JSON.stringify(prediction));
}

/** Whether a reply may hold more than the text that is shown: audio, images, and reasoning that is to be kept back. */
function asksUnseen(body: JsonObject): boolean {
  const { modalities, audio, reasoning } = body;
  if (isObject(audio) || (Array.isArray(modalities) && modalities.some((one) => one !== 'text'))) return true;
  // Three names for one switch (OpenRouter, reasoning tokens, and Groq, reasoning, 2026-11): it is billed all the same.
  if (body.include_reasoning === false || body.reasoning_format === 'hidden') return true;
  return isObject(reasoning) && reasoning.exclude === true;
}

const reading: Reading = { read, passages: passagesOf, chat: toChat };

const messageTexts = ['refusal', 'reasoning_content', 'tool_call_id', 'name'] as const;

/** Places are only put into words where something is wrong: a chat has many messages. */
function checkMessage(message: JsonObject, index: number): void {
  const { content } = message;
  if (typeof content !== 'string') checkContent(content, `messages[${index}].content`);
  for (const key of messageTexts) {
    const value = message[key];
    if (value !== undefined && value !== null && typeof value !== 'string')
      refuse(`messages[${index}].${key}`, 'a string');
  }
  if (message.tool_calls !== undefined) checkCalls(message.tool_calls, `messages[${index}].tool_calls`);
  const call = message.function_call ?? undefined;
  if (call === undefined) return;
  if (!isObject(call)) refuse(`messages[${index}].function_call`, 'an object');
  optionalString(call, 'arguments', `messages[${index}].function_call.arguments`);
}

function checkCalls(calls: unknown, param: string): void {
  for (const [index, call] of optionalObjects(calls, param).entries()) {
    const at = `${param}[${index}]`;
    for (const [key, text] of [
      ['function', 'arguments'],
      ['custom', 'input'],
    ] as const) {
      const inner = call[key];
      if (inner === undefined || inner === null) continue;
      if (!isObject(inner)) refuse(`${at}.${key}`, 'an object');
      optionalString(inner, 'name', `${at}.${key}.name`);
      optionalString(inner, text, `${at}.${key}.${text}`);
    }
  }
}

function checkStop(stop: unknown): void {
  if (stop === undefined || stop === null || typeof stop === 'string') return;
  if (!Array.isArray(stop) || stop.some((one) => typeof one !== 'string'))
    refuse('stop', 'a string or an array of strings');
}

const none: readonly string[] = [];

function toolNamesOf(tools: readonly JsonObject[], functions: readonly JsonObject[]): string[] {
  return [...tools.flatMap(toolNameOf), ...functions.flatMap(nameOf)];
}

function toolNameOf(tool: JsonObject): string[] {
  return isHosted(tool) ? [tool.type] : nameOf(tool.function ?? tool.custom);
}

/** Tools that the client runs; what has another kind (`browser_search`, `web_search`) its provider runs itself. */
const clientTools = new Set(['function', 'custom']);

function isHosted(tool: JsonObject): tool is JsonObject & { readonly type: string } {
  return typeof tool.type === 'string' && !clientTools.has(tool.type);
}

/** What the provider runs itself, by kind; nobody says how often. Models that search do it where this member stands. */
function hostedCallsOf(
  tools: readonly JsonObject[],
  { web_search_options: search }: JsonObject,
): Readonly<Record<string, null>> | undefined {
  let calls: Record<string, null> | undefined = isObject(search) ? { web_search: null } : undefined;
  for (const tool of tools) if (isHosted(tool)) calls = { ...calls, [tool.type]: null };
  return calls;
}

function nameOf(tool: unknown): string[] {
  return isObject(tool) && typeof tool.name === 'string' ? [tool.name] : [];
}

function hasImage(message: JsonObject): boolean {
  const { content } = message;
  return Array.isArray(content) && content.some((part: JsonObject) => part.type === 'image_url');
}

/** Parts that are text, or whose bytes are more than their tokens. */
const bodily = new Set(['text', 'refusal', 'image_url', 'input_audio']);

/** A file, what was spoken before, or a kind of part nobody knows: what of it is read may be more than what stands here. */
function readsElsewhere({ content, audio }: JsonObject): boolean {
  if (isObject(audio)) return true;
  return Array.isArray(content) && content.some((part) => !bodily.has(String(part.type)) || pointsElsewhere(part));
}

/** Audio by its address (Mistral's chat takes one, audio, 2026-11), and what stands in an image's place and is a document. */
function pointsElsewhere({ input_audio: audio, image_url: image }: JsonObject): boolean {
  const sound = isObject(audio) ? audio.data : audio;
  if (typeof sound === 'string' && /^(?!data:)[a-z][a-z\d+.-]*:/i.test(sound)) return true;
  const picture = isObject(image) ? image.url : image;
  return typeof picture === 'string' && /^data:(?!image\/)/i.test(picture);
}

const roles: Readonly<Record<string, Role>> = {
  system: 'system',
  developer: 'system',
  user: 'user',
  assistant: 'assistant',
  tool: 'tool',
  function: 'tool',
};

/** Settings that are numbers, names or ids: nothing to read in them. */
const settings = new Set([
  'model',
  'stream',
  'stream_options',
  'n',
  'max_tokens',
  'max_completion_tokens',
  'temperature',
  'top_p',
  'tool_choice',
  'function_call',
  'parallel_tool_calls',
  'prompt_cache_retention',
  'prompt_cache_options',
  'service_tier',
  'reasoning_effort',
  'verbosity',
  'modalities',
  'audio',
  'store',
  'seed',
  'logit_bias',
]);
const kinds = new Set(['type', 'id']);

/** Members without a text of their own: kinds, marks for caches, and these. */
function marksAnd(...keys: readonly string[]): ReadonlySet<string> {
  return new Set([...kinds, 'cache_control', 'prompt_cache_breakpoint', ...keys]);
}
const signed = marksAnd('signature', 'data');
const textPart = marksAnd('text');
const refusalPart = marksAnd('refusal');
const audioPart = marksAnd('data', 'format');
const filePart = marksAnd('file_data', 'file_id');
const otherPart = marksAnd('detail');

function passagesOf(body: JsonObject): readonly Passage[] {
  const found = new Passages();
  for (const key in body) {
    const value = body[key];
    if (settings.has(key)) continue;
    if (key === 'messages') {
      (value as readonly JsonObject[]).forEach((message, index) => {
        messagePassages(message, found.of(index, roles[String(message.role)] ?? 'unknown'), ['messages', index]);
      });
    } else if (key === 'tools' || key === 'functions') toolPassages(value, found, [key]);
    else if (key === 'response_format') responseFormatPassages(value, found, [key]);
    else found.unknown(value, [key], kinds);
  }
  return found.all;
}

function responseFormatPassages(format: unknown, found: Passages, at: JsonPath): void {
  if (!isObject(format)) return;
  for (const key in format) {
    const value = format[key];
    if (key === 'type') continue;
    if (key !== 'json_schema' || !isObject(value)) found.schema('other', value, under(at, key));
    else for (const field in value) if (field !== 'name') found.schema('other', value[field], [...at, key, field]);
  }
}

const messageSkip = new Set(['role', 'tool_call_id', 'id']);

function messagePassages(message: JsonObject, found: Passages, at: JsonPath): void {
  for (const key in message) {
    if (messageSkip.has(key)) continue;
    const value = message[key];
    const here = under(at, key);
    if (key === 'content') contentPassages(value, found, here);
    else if (key === 'refusal') found.text('refusal', value, here);
    else if ((key === 'reasoning_content' || key === 'reasoning') && typeof value === 'string') {
      found.text('reasoning', value, here);
    } else if (key === 'tool_calls' && Array.isArray(value)) {
      for (const [index, call] of value.entries()) callPassages(call, found, under(here, index));
    } else if (key === 'function_call' && isObject(value)) {
      found.text('tool_arguments', value.arguments, under(here, 'arguments'));
      found.unknown(value, here, new Set(['name', 'arguments']));
    } else found.unknown(value, here, signed);
  }
}

function contentPassages(content: unknown, found: Passages, at: JsonPath): void {
  if (!Array.isArray(content)) {
    found.text('content', content, at);
    return;
  }
  for (const [index, part] of (content as readonly JsonObject[]).entries()) {
    const here = under(at, index);
    const { type } = part;
    if (type === 'text') {
      found.text('content', part.text, under(here, 'text'));
      found.unknown(part, here, textPart);
    } else if (type === 'refusal') {
      found.text('refusal', part.refusal, under(here, 'refusal'));
      found.unknown(part, here, refusalPart);
    } else if (type === 'input_audio') found.unknown(part, here, audioPart);
    else if (type === 'file') found.unknown(part, here, filePart);
    else found.unknown(part, here, otherPart);
  }
}

function callPassages(call: unknown, found: Passages, at: JsonPath): void {
  if (!isObject(call)) return;
  for (const [key, text, channel] of [
    ['function', 'arguments', 'tool_arguments'],
    // Free text, no JSON: as tool arguments it would be looked at only inside JSON scalars.
    ['custom', 'input', 'other'],
  ] as const) {
    const inner = call[key];
    if (!isObject(inner)) continue;
    found.text(channel, inner[text], [...at, key, text]);
    found.unknown(inner, under(at, key), new Set(['name', text]));
  }
  found.unknown(call, at, new Set(['id', 'type', 'index', 'function', 'custom']));
}

function toolPassages(value: unknown, found: Passages, at: JsonPath): void {
  if (!Array.isArray(value)) return;
  for (const [index, tool] of (value as readonly JsonObject[]).entries()) {
    for (const key in tool) {
      const here = [...at, index, key];
      const inner = tool[key];
      // Tools of both kinds hold their definition in a member; those of the time before are one.
      if (isObject(inner) && (key === 'function' || key === 'custom')) {
        for (const field in inner)
          if (field !== 'name') found.schema('tool_definition', inner[field], under(here, field));
      } else if (key !== 'name' && key !== 'type') found.schema('tool_definition', inner, here);
    }
  }
}

/** Encodes a request for a provider that speaks this format: by splices where the client does too, else anew. */
export function encodeRequest(view: RequestView, edits: RequestEdits): EncodedRequest {
  const encoded =
    view.format === 'openai-chat' ? { body: spliced(view, edits), warnings: none } : translated(view, edits);
  const { body, warnings } = applyQuirks(encoded, edits);
  return { body, path, headers, warnings };
}

function spliced(view: RequestView, edits: RequestEdits): Buffer {
  const list = policyEdits(view, edits).filter((edit) => edit.path[0] !== 'model');
  if (edits.model !== view.model) list.push({ op: 'set', path: ['model'], json: JSON.stringify(edits.model) });
  if (edits.maxOutputTokens !== undefined) list.push(...limit(view.bytes, edits.maxOutputTokens));
  if (edits.askUsage && view.stream && !view.usageAsked) {
    list.push({ op: 'set', path: ['stream_options', 'include_usage'], json: 'true' });
  }
  return splice(view.bytes, list);
}

/** The limit under the name the client uses; where it set none, under the current one (`max_tokens` is the old one). */
function limit(bytes: Buffer, tokens: number): JsonEdit[] {
  const names = ['max_completion_tokens', 'max_tokens'];
  const spans = findSpans(
    bytes,
    names.map((name) => [name]),
  );
  const isSet = names.filter((_, index) => {
    const span = spans[index];
    return span !== undefined && bytes[span.start] !== 0x6e;
  });
  const used = isSet.length > 0 ? isSet : names.slice(0, 1);
  return used.map((name) => ({ op: 'set', path: [name], json: String(tokens) }));
}

function translated(view: RequestView, edits: RequestEdits): Pick<EncodedRequest, 'body' | 'warnings'> {
  // A translation starts from what the client would have sent.
  const { chat } = view.edited(edits);
  const { body, warnings } = fromChat(chat, edits, view.usageAsked || edits.askUsage);
  return { body, warnings: [...leftBehind(chat.unknown, 'OpenAI Chat'), ...warnings] };
}
