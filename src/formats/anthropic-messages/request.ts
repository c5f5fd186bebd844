import {
  type EncodedRequest,
  type JsonPath,
  type Passage,
  type RequestEdits,
  type RequestView,
  type Role,
  unescaped,
} from '../../exchange/index.ts';
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
import { isObject, type JsonEdit, type JsonObject, parseStrict, RawValues, splice } from '../json/index.ts';
import { Passages } from '../passages.ts';
import { applyQuirks, leftBehind } from '../quirks.ts';
import { policyEdits, type Reading, View } from '../view.ts';
import { fromChat, toChat } from './chat.ts';
import { fitThinking } from './thinking.ts';
import { fastTier } from './usage.ts';

const path = '/messages';
const headers = { 'content-type': 'application/json', 'anthropic-version': '2023-06-01' };

/** Reads a Messages body. Throws `invalid_request` naming the field at fault. */
const cacheMark = Buffer.from('cache_control');

export function read(bytes: Buffer): RequestView {
  const body = bodyOf(parseStrict(bytes));
  const model = modelOf(body);
  const messages = messagesOf(body);
  for (const [index, message] of messages.entries()) checkBlocks(message.content, `messages[${index}].content`);
  checkContent(body.system, 'system');
  const tools = optionalObjects(body.tools, 'tools');
  const stream = optionalBoolean(body, 'stream') ?? false;
  const maxOutputTokens = optionalInteger(body, 'max_tokens', 1);
  const temperature = optionalNumber(body, 'temperature');
  checkStops(body.stop_sequences);
  const metadata = body.metadata ?? undefined;
  if (metadata !== undefined && !isObject(metadata)) refuse('metadata', 'an object');
  const hosted = hostedCallsOf(tools);
  const user = metadata === undefined ? undefined : optionalString(metadata, 'user_id', 'metadata.user_id');
  return new View(
    {
      format: 'anthropic-messages',
      bytes,
      model,
      stream,
      choices: 1,
      maxOutputTokens,
      predictedBytes: undefined,
      unseenOutput: isObject(body.thinking) && body.thinking.display === 'omitted',
      temperature,
      toolNames: tools.flatMap(({ name }) => (typeof name === 'string' ? [name] : [])),
      otherModels: hosted === undefined ? undefined : modelsIn(tools),
      hasImages: messages.some(({ content }) => hasImage(content)),
      usageAsked: true,
      // Nothing is cached there unless the client marks it.
      cacheWrites: unescaped(bytes).includes(cacheMark),
      readsElsewhere:
        hosted !== undefined || hasServers(body) || messages.some(({ content }) => readsElsewhere(content)),
      compactsFrom: compactsFrom(body.context_management),
      hostedCalls: hosted,
      serviceTier: tierOf(body),
      inferenceGeo: typeof body.inference_geo === 'string' ? body.inference_geo : undefined,
      user,
      metadata,
    },
    body,
    reading,
  );
}

/** Speed has a price like a tier, and is asked for beside it. */
function tierOf({ speed, service_tier: tier }: JsonObject): string | undefined {
  if (speed === fastTier) return fastTier;
  return typeof tier === 'string' ? tier : undefined;
}

const reading: Reading = { read, passages: passagesOf, chat: toChat };

function checkBlocks(content: unknown, param: string): void {
  checkContent(content, param);
  if (!Array.isArray(content)) return;
  for (const [index, block] of (content as readonly JsonObject[]).entries()) {
    const at = `${param}[${index}]`;
    const { type, input } = block;
    if (type === 'thinking') optionalString(block, 'thinking', `${at}.thinking`);
    if (type === 'tool_use' && input !== undefined && !isObject(input)) refuse(`${at}.input`, 'an object');
    if (type === 'tool_result') checkContent(block.content, `${at}.content`);
    if ((type === 'image' || type === 'document') && !isObject(block.source)) refuse(`${at}.source`, 'an object');
  }
}

function checkStops(stops: unknown): void {
  if (stops === undefined || stops === null) return;
  if (!Array.isArray(stops) || stops.some((one) => typeof one !== 'string')) {
    refuse('stop_sequences', 'an array of strings');
  }
}

function hasImage(content: unknown): boolean {
  if (!Array.isArray(content)) return false;
  return content.some((block) => isObject(block) && (block.type === 'image' || hasImage(block.content)));
}

/** Documents whose pages are read, and files: what of them is read may be more than what stands here. */
function readsElsewhere(content: unknown): boolean {
  if (!Array.isArray(content)) return false;
  return content.some((block) => {
    if (!isObject(block)) return false;
    if (block.type === 'document') return !isObject(block.source) || block.source.type !== 'text';
    return block.type === 'container_upload' || readsElsewhere(block.content);
  });
}

function hasServers({ mcp_servers }: JsonObject): boolean {
  return Array.isArray(mcp_servers) && mcp_servers.length > 0;
}

/** Where the request does not say (compaction, 2026-10). */
const compactsFromDefault = 150_000;

function compactsFrom(management: unknown): number | undefined {
  const edits = isObject(management) && Array.isArray(management.edits) ? management.edits : [];
  let least: number | undefined;
  for (const edit of edits) {
    if (!isObject(edit) || typeof edit.type !== 'string' || !edit.type.startsWith('compact_')) continue;
    const value = isObject(edit.trigger) ? edit.trigger.value : undefined;
    least = Math.min(least ?? compactsFromDefault, typeof value === 'number' ? value : compactsFromDefault);
  }
  return least;
}

/** Tools that have a type of their own and are run by the client all the same. */
const clientTools = /^(?:custom$|bash_|text_editor_|computer_|memory_)/;

/** The tools that the API runs itself, by name, with the most calls of each; null where the client set no limit. */
function hostedCallsOf(tools: readonly JsonObject[]): Readonly<Record<string, number | null>> | undefined {
  let calls: Record<string, number | null> | undefined;
  for (const { type, name, max_uses } of tools) {
    if (typeof type !== 'string' || typeof name !== 'string' || clientTools.test(type)) continue;
    const most = Number.isSafeInteger(max_uses) && Number(max_uses) >= 0 ? Number(max_uses) : null;
    calls = { ...calls, [name]: most };
  }
  return calls;
}

/** Settings that are numbers, names or ids: nothing to read in them. */
const settings = new Set([
  'model',
  'stream',
  'max_tokens',
  'temperature',
  'top_p',
  'top_k',
  'tool_choice',
  'thinking',
  'service_tier',
  'cache_control',
  'container',
  'inference_geo',
  'speed',
  'user_profile_id',
  'workspace_id',
]);
/** Members of blocks that are ids, names, marks or bytes. */
const marks = new Set([
  'type',
  'id',
  'tool_use_id',
  'name',
  'toolset_name',
  'caller',
  'cache_control',
  'signature',
  'media_type',
  'file_id',
  'encrypted_content',
  'encrypted_index',
]);

function plus(...keys: readonly string[]): ReadonlySet<string> {
  return new Set([...marks, ...keys]);
}

const textSkip = plus('text');
const thinkingSkip = plus('thinking');
const inputSkip = plus('input');
const contentSkip = plus('content');
const sourceSkip = plus('source');
const dataSkip = plus('data');

function passagesOf(body: JsonObject, bytes: Buffer): readonly Passage[] {
  const found = new Passages();
  const inputs = new RawValues(bytes, inputPaths(body));
  for (const key in body) {
    const value = body[key];
    if (settings.has(key)) continue;
    if (key === 'system') blocks(value, found.of(-1, 'system'), [key], inputs);
    else if (key === 'messages') {
      for (const [index, message] of (value as readonly JsonObject[]).entries()) {
        const { role } = message;
        const known: Role = role === 'user' || role === 'assistant' || role === 'system' ? role : 'unknown';
        const here = found.of(index, known);
        for (const field in message) {
          const at = ['messages', index, field];
          if (field === 'content') blocks(message[field], here, at, inputs);
          else if (field !== 'role') here.unknown(message[field], at, marks);
        }
      }
    } else if (key === 'tools') toolPassages(value, found);
    else if (key === 'output_config')
      found.schema('other', isObject(value) ? value.format : undefined, [key, 'format']);
    else found.unknown(value, [key], marks);
  }
  return found.all;
}

/** Where the inputs of tool calls stand: they are read as JSON text, spelled as the client did. */
function inputPaths(body: JsonObject): JsonPath[] {
  const paths: JsonPath[] = [];
  for (const [index, message] of (body.messages as readonly JsonObject[]).entries()) {
    const { content } = message;
    if (!Array.isArray(content)) continue;
    for (const [place, block] of (content as readonly JsonObject[]).entries()) {
      if (block.input !== undefined) paths.push(['messages', index, 'content', place, 'input']);
    }
  }
  return paths;
}

function blocks(content: unknown, found: Passages, at: JsonPath, inputs: RawValues): void {
  if (!Array.isArray(content)) {
    found.text('content', content, at);
    return;
  }
  for (const [index, block] of content.entries()) {
    if (isObject(block)) blockPassages(block, found, [...at, index], inputs);
    else found.unknown(block, [...at, index]);
  }
}

function blockPassages(block: JsonObject, found: Passages, at: JsonPath, inputs: RawValues): void {
  const type = String(block.type);
  if (type === 'text') {
    found.text('content', block.text, [...at, 'text']);
    found.unknown(block, at, textSkip);
  } else if (type === 'thinking') {
    found.text('reasoning', block.thinking, [...at, 'thinking']);
    found.unknown(block, at, thinkingSkip);
  } else if (type === 'redacted_thinking') found.unknown(block, at, dataSkip);
  else if (type === 'tool_use' || type === 'server_tool_use' || type === 'mcp_tool_use') {
    found.text('tool_arguments', inputs.at([...at, 'input'])?.json, [...at, 'input']);
    found.unknown(block, at, inputSkip);
  } else if (type.endsWith('tool_result')) {
    // What tools brought back speaks with a tool's voice, whoever's message it stands in.
    const tool = found.of(messageOf(at), 'tool');
    if (type === 'tool_result') blocks(block.content, tool, [...at, 'content'], inputs);
    else tool.unknown(block.content, [...at, 'content'], marks);
    tool.unknown(block, at, contentSkip);
  } else if (type === 'image' || type === 'document') {
    sourcePassages(block.source, found, [...at, 'source'], inputs);
    found.unknown(block, at, sourceSkip);
  } else if (type === 'search_result') {
    blocks(block.content, found, [...at, 'content'], inputs);
    found.unknown(block, at, contentSkip);
  } else found.unknown(block, at, marks);
}

function messageOf(at: JsonPath): number {
  return at[0] === 'messages' && typeof at[1] === 'number' ? at[1] : -1;
}

function sourcePassages(source: unknown, found: Passages, at: JsonPath, inputs: RawValues): void {
  if (!isObject(source)) return;
  if (source.type === 'text') found.text('content', source.data, [...at, 'data']);
  if (source.type === 'content') blocks(source.content, found, [...at, 'content'], inputs);
  // Of a kind nobody knows yet, the data may be text; bytes in base64 never are.
  found.unknown(source, at, source.type === 'content' ? contentSkip : source.type === 'text' ? dataSkip : marks);
}

function toolPassages(value: unknown, found: Passages): void {
  if (!Array.isArray(value)) return;
  for (const [index, tool] of (value as readonly JsonObject[]).entries()) {
    for (const key in tool) {
      if (!marks.has(key)) found.schema('tool_definition', tool[key], ['tools', index, key]);
    }
  }
}

/** Encodes a request for a provider that speaks this format: by splices where the client does too, else anew. */
export function encodeRequest(view: RequestView, edits: RequestEdits): EncodedRequest {
  const encoded = view.format === 'anthropic-messages' ? spliced(view, edits) : translated(view, edits);
  const { body, warnings } = applyQuirks(encoded, edits);
  return { body, path, headers, warnings };
}

function spliced(view: RequestView, edits: RequestEdits): Pick<EncodedRequest, 'body' | 'warnings'> {
  const list: JsonEdit[] = policyEdits(view, edits).filter((edit) => edit.path[0] !== 'model');
  if (edits.model !== view.model) list.push({ op: 'set', path: ['model'], json: JSON.stringify(edits.model) });
  if (edits.maxOutputTokens === undefined) return { body: splice(view.bytes, list), warnings: [] };
  list.push({ op: 'set', path: ['max_tokens'], json: String(edits.maxOutputTokens) });
  const thinking = fitThinking(view.bytes, edits.maxOutputTokens);
  return { body: splice(view.bytes, [...list, ...thinking.edits]), warnings: thinking.warnings };
}

function translated(view: RequestView, edits: RequestEdits): Pick<EncodedRequest, 'body' | 'warnings'> {
  // A translation starts from what the client would have sent.
  const { chat } = view.edited(edits);
  const { body, warnings } = fromChat(chat, edits);
  return { body, warnings: [...leftBehind(chat.unknown, 'Anthropic Messages'), ...warnings] };
}
