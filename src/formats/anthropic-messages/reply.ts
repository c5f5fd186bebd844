import {
  Failure,
  type FinishReason,
  type Frame,
  type JsonPath,
  type Lane,
  type ReplyContext,
  type ReplyEvent,
  type Usage,
} from '../../exchange/index.ts';
import { Gathered, type GatheredChoice } from '../gathered.ts';
import { findSpans, isObject, type JsonObject } from '../json/index.ts';
import { Lanes } from '../lanes.ts';
import { plainFrameOf } from '../plain-frame.ts';
import { Said } from '../said.ts';
import { errorInReply } from '../upstream.ts';
import { UsageSoFar, usageBody } from './usage.ts';

const reasons: Readonly<Record<string, FinishReason>> = {
  end_turn: 'stop',
  stop_sequence: 'stop',
  max_tokens: 'length',
  model_context_window_exceeded: 'length',
  tool_use: 'tool_calls',
  pause_turn: 'pause',
  refusal: 'refusal',
};

const words: Readonly<Record<FinishReason, string>> = {
  stop: 'end_turn',
  length: 'max_tokens',
  tool_calls: 'tool_use',
  content_filter: 'refusal',
  refusal: 'refusal',
  pause: 'pause_turn',
  other: 'end_turn',
};

/** The reason in the words of the format. */
export function stopWord(reason: FinishReason, stopSequence: string | undefined, refused: boolean): string {
  if (reason !== 'stop') return words[reason];
  if (refused) return 'refusal';
  return stopSequence === undefined ? 'end_turn' : 'stop_sequence';
}

/** Ids, kinds, enumerations and bytes: no text of the model. */
const noText = new Set([
  'type',
  'id',
  'index',
  'signature',
  'media_type',
  'encrypted_content',
  'encrypted_index',
  'encrypted_stdout',
  'file_id',
  'tool_use_id',
  'cache_control',
  'category',
]);
/** Members of a message that are read, or that hold no text. */
const messageKeys = new Set([
  'id',
  'type',
  'role',
  'model',
  'content',
  'stop_reason',
  'stop_sequence',
  'usage',
  'container',
]);
/** Of a block, the member its lane is made of, and what is no text. */
const blockKeys: Readonly<Record<string, ReadonlySet<string>>> = {
  content: new Set(['text', ...noText]),
  reasoning: new Set(['thinking', ...noText]),
  tool_arguments: new Set(['input', 'name', 'toolset_name', 'caller', ...noText]),
};
const opaqueKeys = new Set(['data', ...noText]);
const deltaKeys = new Set(['stop_reason', 'stop_sequence', 'container', ...noText]);
/** Of an event, the members that were read. */
const eventKeys: Readonly<Record<string, ReadonlySet<string>>> = {
  message_start: new Set(['type', 'message']),
  content_block_start: new Set(['type', 'index', 'content_block']),
  content_block_delta: new Set(['type', 'index', 'delta']),
  content_block_stop: new Set(['type', 'index']),
  message_delta: new Set(['type', 'delta', 'usage']),
};

interface Block {
  readonly lane: Lane | undefined;
  spoke: boolean;
}

/** Reads replies of the format, plain or event by event. Holds what later events refer back to. */
export class MessageReading {
  readonly #lanes = new Lanes();
  readonly #blocks = new Map<number, Block>();
  readonly #usage = new UsageSoFar();
  #tools = 0;
  #finished = false;

  /** What one event of a stream says. The name inside the document counts, then the one of the SSE message. */
  event(value: unknown, name: string, data: Buffer): Said {
    const said = new Said(data);
    if (!isObject(value)) {
      said.wholes(this.#lanes, 0, value, [], noText);
      return said;
    }
    const type = typeof value.type === 'string' ? value.type : name;
    if (type === 'ping') {
      said.events.push({ type: 'ping' });
      said.passes = Object.keys(value).length <= 1;
    }
    const read = this.#read(type, value, data, said);
    if (type !== 'error') said.wholes(this.#lanes, 0, value, [], (read ? eventKeys[type] : undefined) ?? noText);
    if (type === 'message_delta' && isObject(value.delta)) this.#finish(value.delta, said);
    if (type === 'message_stop') said.events.push({ type: 'end' });
    if (type === 'error') {
      said.events.push({ type: 'error', failure: errorInReply(value, data, 'anthropic-messages') });
    }
    return said;
  }

  /** Reads an event of a known type and shape; false leaves all its text to be taken as unknown. */
  #read(type: string, value: JsonObject, data: Buffer, said: Said): boolean {
    const index = typeof value.index === 'number' ? value.index : 0;
    const { message, content_block: block, delta } = value;
    if (type === 'message_start' && isObject(message)) this.#start(message, ['message'], said);
    else if (type === 'content_block_start' && isObject(block)) {
      said.blockOpened = index;
      this.#open(block, ['content_block'], index, data, said, false);
    } else if (type === 'content_block_delta' && isObject(delta)) this.#delta(delta, index, said);
    else if (type === 'content_block_stop') this.#close(index, said);
    else if (type === 'message_delta' && isObject(delta)) {
      said.wholes(this.#lanes, 0, delta, ['delta'], deltaKeys);
      this.#count(value.usage, said);
    } else return false;
    return true;
  }

  /** What a whole plain reply says. */
  whole(value: JsonObject, data: Buffer): Said {
    const said = new Said(data);
    if (value.type === 'error') {
      this.#count(value.usage, said);
      said.events.push({ type: 'error', failure: errorInReply(value, data, 'anthropic-messages') });
      return said;
    }
    if (!Array.isArray(value.content)) {
      // Nothing to give out, and paid for all the same.
      this.#count(value.usage, said);
      const failure = new Failure('upstream_error', 'The provider sent a reply without content.');
      said.events.push({ type: 'error', failure });
      return said;
    }
    this.#start({ ...value, content: [] }, [], said);
    for (const [index, block] of value.content.entries()) {
      const path = ['content', index];
      if (!isObject(block)) {
        said.wholes(this.#lanes, 0, block, path, noText);
        continue;
      }
      this.#open(block, path, index, data, said, true);
      this.#close(index, said);
    }
    this.#finish(value, said);
    said.events.push({ type: 'end' });
    return said;
  }

  #start(message: JsonObject, path: JsonPath, said: Said): void {
    const { id, model } = message;
    said.events.push({
      type: 'start',
      ...(typeof id === 'string' && id !== '' ? { id } : {}),
      ...(typeof model === 'string' && model !== '' ? { model } : {}),
    });
    said.wholes(this.#lanes, 0, message.content, [...path, 'content'], noText);
    said.wholes(this.#lanes, 0, message, path, messageKeys);
    this.#count(message.usage, said);
  }

  #open(block: JsonObject, path: JsonPath, index: number, data: Buffer, said: Said, plain: boolean): void {
    const { type, name } = block;
    // A plain reply has told its usage already.
    if (type === 'server_tool_use' && typeof name === 'string' && !plain)
      said.events.push({ type: 'usage', usage: this.#usage.ran(name) });
    const lane = this.#laneOf(block, index, said);
    this.#blocks.set(index, { lane, spoke: false });
    if (lane === undefined) {
      // Results of hosted tools and blocks to come: all their text, but for the opaque data of hidden reasoning.
      const opaque = type === 'redacted_thinking';
      if (opaque) this.#sign(block.data, index, said);
      said.wholes(this.#lanes, 0, block, path, opaque ? opaqueKeys : noText);
      return;
    }
    if (type === 'text') this.#say(index, block.text, [...path, 'text'], said);
    else if (type === 'thinking') this.#say(index, block.thinking, [...path, 'thinking'], said);
    else {
      if (plain || !isEmpty(block.input)) this.#input(block, [...path, 'input'], index, data, said);
      said.name(this.#lanes, 0, block.name, [...path, 'name']);
    }
    this.#sign(block.signature, index, said);
    said.wholes(this.#lanes, 0, block, path, blockKeys[lane.channel] ?? noText);
  }

  #laneOf(block: JsonObject, index: number, said: Said): Lane | undefined {
    const { type, id, name } = block;
    if (type === 'text') return this.#lanes.joining(0, 'content', index);
    if (type === 'thinking') return this.#lanes.of(0, 'reasoning', index, true);
    // Calls of hosted tools have an input as well; it is the provider who answers them, so no call starts here.
    const hosted = type === 'server_tool_use' || type === 'mcp_tool_use';
    if (type !== 'tool_use' && !hosted) return undefined;
    const tool = this.#tools;
    this.#tools += 1;
    if (!hosted) {
      said.events.push({
        type: 'tool_start',
        choice: 0,
        index: tool,
        id: typeof id === 'string' ? id : '',
        name: typeof name === 'string' ? name : '',
        kind: 'function',
      });
    }
    return this.#lanes.of(0, 'tool_arguments', tool);
  }

  /** The input of a tool as JSON text, spelled as the provider did. */
  #input(block: JsonObject, path: JsonPath, index: number, data: Buffer, said: Said): void {
    if (block.input === undefined) return;
    const [span] = findSpans(data, [path]);
    if (span !== undefined) this.#say(index, data.toString('utf8', span.start, span.end), path, said);
  }

  #say(index: number, text: unknown, path: JsonPath, said: Said): void {
    const block = this.#blocks.get(index);
    if (typeof text !== 'string') said.wholes(this.#lanes, 0, text, path, noText);
    if (block?.lane === undefined || typeof text !== 'string' || text === '') return;
    block.spoke = true;
    said.text(block.lane, text, path);
  }

  #sign(signature: unknown, index: number, said: Said): void {
    if (typeof signature !== 'string' || signature === '') return;
    said.events.push({ type: 'signature', choice: 0, index, signature });
  }

  #delta(delta: JsonObject, index: number, said: Said): void {
    const block = this.#blocks.get(index);
    for (const key in delta) {
      const value = delta[key];
      const path = ['delta', key];
      if (key === 'type') continue;
      const fits =
        (key === 'text' && block?.lane?.channel === 'content') ||
        (key === 'thinking' && block?.lane?.channel === 'reasoning') ||
        (key === 'partial_json' && block?.lane?.channel === 'tool_arguments');
      if (fits && typeof value === 'string') this.#say(index, value, path, said);
      else if (key === 'signature') this.#sign(value, index, said);
      else if (key === 'citation') said.wholes(this.#lanes, 0, value, path, noText);
      else if (typeof value === 'string') said.text(this.#lanes.unknown(0, `${index} ${key}`), value, path);
      else said.wholes(this.#lanes, 0, value, path, noText);
    }
  }

  #close(index: number, said: Said): void {
    said.blockClosed = index;
    const block = this.#blocks.get(index);
    if (block?.lane !== undefined && block.spoke) said.events.push({ type: 'lane_end', lane: block.lane });
    this.#blocks.delete(index);
  }

  #count(told: unknown, said: Said): void {
    if (isObject(told)) said.events.push({ type: 'usage', usage: this.#usage.add(told) });
  }

  #finish(from: JsonObject, said: Said): void {
    const { stop_reason: reason, stop_sequence: sequence } = from;
    if (typeof reason !== 'string' || this.#finished) return;
    this.#finished = true;
    const known = reasons[reason];
    said.speaksOf(0);
    said.events.push({
      type: 'finish',
      choice: 0,
      reason: known ?? 'other',
      ...(known === undefined || reason === 'model_context_window_exceeded' ? { native: reason } : {}),
      ...(typeof sequence === 'string' ? { stopSequence: sequence } : {}),
    });
  }
}

/** Whether all an event says is its one text, the next piece of an open block. */
export function alone(value: unknown, { paths: [path] }: Said): boolean {
  return isObject(value) && value.type === 'content_block_delta' && path?.length === 2 && path[0] === 'delta';
}

function isEmpty(input: unknown): boolean {
  return isObject(input) && Object.keys(input).length === 0;
}

/** A plain reply as one frame. */
export function plainFrame(body: Buffer): Frame {
  return plainFrameOf(body, wholeMessage, repeats);
}

function wholeMessage(value: JsonObject, body: Buffer): Said {
  return new MessageReading().whole(value, body);
}

/** Nothing in this format repeats a text. */
export function repeats(): readonly JsonPath[] {
  return [];
}

/** A whole plain reply made from its events. Throws the failure of an `error` event. */
export function plainReply(events: readonly ReplyEvent[], context: ReplyContext): Buffer {
  const reply = Gathered.from(events);
  const choice = reply.choices.find((one) => one.number === 0) ?? reply.choices[0];
  const sequence = choice?.stopSequence;
  const fields = {
    id: reply.id ?? context.id,
    type: 'message',
    role: 'assistant',
    model: context.model,
    stop_reason: stopWord(choice?.reason ?? 'stop', sequence, choice !== undefined && choice.textOf('refusal') !== ''),
    stop_sequence: sequence ?? null,
    usage: wholeUsage(reply.usage),
  };
  const json = JSON.stringify(fields);
  // The blocks go in as text: the input of a tool keeps the model's own spelling.
  return Buffer.from(`${json.slice(0, -1)},"content":[${blocksOf(choice, context.id).join(',')}]}`);
}

/** The format has no reply without these two numbers. */
export function wholeUsage(usage: Usage | undefined): JsonObject {
  return { input_tokens: 0, output_tokens: 0, ...(usage === undefined ? {} : usageBody(usage)) };
}

/** An id for a call whose provider gave none: clients send it back with the result. */
export function toolId(reply: string, place: number): string {
  return `toolu_${reply}_${place}`;
}

function blocksOf(choice: GatheredChoice | undefined, reply: string): string[] {
  let calls = 0;
  return (choice?.parts ?? []).map((part) => {
    if (part.type === 'call') {
      const { name, text, kind } = part.call;
      const id = part.call.id || toolId(reply, calls);
      calls += 1;
      const head = JSON.stringify({ type: 'tool_use', id, name });
      return `${head.slice(0, -1)},"input":${kind === 'custom' ? JSON.stringify({ input: text }) : objectJson(text)}}`;
    }
    if (part.channel !== 'reasoning') return JSON.stringify({ type: 'text', text: part.text });
    return JSON.stringify({ type: 'thinking', thinking: part.text, signature: part.signature ?? '' });
  });
}

/** Tool arguments as the object this format demands; what is none is kept inside one. */
export function objectJson(text: string): string {
  if (text.trim() === '') return '{}';
  try {
    if (isObject(JSON.parse(text))) return text;
  } catch {
    // Not JSON at all: a model may cut its own arguments short.
  }
  return JSON.stringify({ arguments: text });
}
