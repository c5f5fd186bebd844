import type { FormatName } from '../../src/exchange/index.ts';
import { sseMessages } from './well-formed.ts';

// biome-ignore lint/suspicious/noExplicitAny: parsed JSON of the reply under test
type Json = any;

/**
 * Every text a client of the format ends up with, put together over frames as its SDK would: `0 content`,
 * `0 reasoning_content`, `1 content` (a second choice), `0 tool 1` (a second call), `0 aside` (a field nobody knows).
 * On purpose another reader than the one under test.
 */
export function clientTexts(format: FormatName, stream: boolean, bytes: Uint8Array): Map<string, string> {
  const texts = new Texts();
  const documents = stream
    ? sseMessages(bytes).flatMap(({ data }) => (data === '[DONE]' ? [] : [JSON.parse(data)]))
    : [];
  if (!stream) documents.push(JSON.parse(Buffer.from(bytes).toString('utf8')));
  for (const document of documents) {
    if (format === 'openai-chat') openaiTexts(document, texts);
    else if (stream) anthropicEvent(document, texts);
    else for (const block of document.content ?? []) anthropicBlock(block, texts);
  }
  return texts.all;
}

class Texts {
  readonly all = new Map<string, string>();
  /** Which lane an open content block belongs to. */
  readonly blocks = new Map<number, string>();
  tools = 0;

  add(key: string, text: unknown): void {
    if (typeof text === 'string') this.all.set(key, (this.all.get(key) ?? '') + text);
  }
}

function openaiTexts(document: Json, texts: Texts): void {
  for (const choice of document.choices ?? []) {
    texts.add(`${choice.index} text`, choice.text);
    const said = choice.delta ?? choice.message ?? {};
    for (const key in said) {
      const value = said[key];
      if (key === 'role') continue;
      if (key === 'tool_calls') for (const call of value) openaiCall(choice.index, call, texts, value.indexOf(call));
      else if (key === 'function_call') texts.add(`${choice.index} function_call`, value.arguments);
      else if (Array.isArray(value)) for (const part of value) texts.add(`${choice.index} ${key}`, part.text);
      else if (typeof value === 'object' && value !== null) texts.add(`${choice.index} ${key}`, value.transcript);
      else texts.add(`${choice.index} ${key}`, value);
    }
  }
}

function openaiCall(choice: number, call: Json, texts: Texts, position: number): void {
  const index = call.index ?? position;
  texts.add(`${choice} tool ${index}`, call.function?.arguments);
  texts.add(`${choice} custom ${index}`, call.custom?.input);
}

function anthropicEvent(event: Json, texts: Texts): void {
  if (event.type === 'content_block_start') {
    const { type } = event.content_block;
    const lane = type === 'text' ? 'content' : type === 'thinking' ? 'reasoning' : `tool ${texts.tools}`;
    if (lane.startsWith('tool')) texts.tools += 1;
    texts.blocks.set(event.index, lane);
    texts.add(`0 ${lane}`, event.content_block.text || event.content_block.thinking);
  }
  if (event.type !== 'content_block_delta') return;
  const lane = texts.blocks.get(event.index);
  const { text, thinking, partial_json: json, ...rest } = event.delta;
  for (const said of [text, thinking, json]) texts.add(`0 ${lane}`, said);
  for (const key in rest) if (key !== 'type') texts.add(`0 ${key}`, rest[key]);
}

function anthropicBlock(block: Json, texts: Texts): void {
  if (block.type === 'text') texts.add('0 content', block.text);
  else if (block.type === 'thinking') texts.add('0 reasoning', block.thinking);
  else if (block.input !== undefined) {
    texts.add(`0 tool ${texts.tools}`, JSON.stringify(block.input));
    texts.tools += 1;
  }
  for (const key in block)
    if (!['type', 'text', 'thinking', 'input', 'id', 'name'].includes(key)) texts.add(`0 ${key}`, block[key]);
}

/** Every string, key and number anywhere in a JSON text, one a line: what a client could find in it. */
export function everything(json: string): string {
  const found: string[] = [];
  const walk = (value: Json): void => {
    if (Array.isArray(value)) value.forEach(walk);
    else if (typeof value === 'object' && value !== null) {
      for (const key in value) {
        found.push(key);
        walk(value[key]);
      }
    } else found.push(String(value));
  };
  walk(JSON.parse(json));
  return found.join('\n');
}
