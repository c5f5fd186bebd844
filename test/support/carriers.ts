import type { FormatName } from '../../src/exchange/index.ts';

/** A place in a reply where text travels, with the frames around it. */
export interface Carrier {
  readonly name: string;
  readonly provider: FormatName;
  /** Frames before and after those that carry the pieces. */
  readonly head: readonly string[];
  readonly tail: readonly string[];
  /** One frame. `literal` is the piece as a JSON literal; `edited`: as it is to look once its text was replaced. */
  frame(literal: string, edited: boolean): string;
  /** A plain body; undefined where there is none of the kind. */
  plain?(literal: string): string;
  /** Where the client finds the text again, by its format; undefined where that format has no place for it. */
  readonly key: Readonly<Record<FormatName, string | undefined>>;
  /** The document the text stands in (tool arguments), where it is not the text itself. */
  document?(text: string): string;
  /** For values that are whole numbers only. */
  readonly numbers?: true;
}

const head =
  '"id":"chatcmpl-1","object":"chat.completion.chunk", "created":1790000000,"model":"m-1","system_fingerprint":"fp_1"';
const trail = '"obfuscation":"aB3x","big":12345678901234567890,"exact":1.0';

function chunk(choice: string): string {
  return `data: {${head},"choices":[${choice}],${trail}}\n\n`;
}

function delta(index: number, members: string, more = '"finish_reason":null'): string {
  return chunk(`{"index":${index},"delta":{${members}},${more}}`);
}

const role = (index: number) => delta(index, '"role":"assistant","content":""');
const finish = (index: number, reason = 'stop') => delta(index, '', `"logprobs":null,"finish_reason":"${reason}"`);
const done = 'data: [DONE]\n\n';

function body(choices: string): string {
  const usage = '"usage":{"prompt_tokens":3,"completion_tokens":9,"total_tokens":12}';
  return `{"id":"chatcmpl-1","object":"chat.completion", "created":1790000000,"model":"m-1","choices":[${choices}],${usage},"exact":1.0}`;
}

function message(index: number, members: string, reason = 'stop'): string {
  return `{"index":${index},"message":{"role":"assistant",${members}},"finish_reason":"${reason}"}`;
}

/** A carrier that is one member of a delta and of a message. */
function member(name: string, keys: Carrier['key'], write: (literal: string) => string, index = 0): Carrier {
  return {
    name,
    provider: 'openai-chat',
    head: index === 0 ? [role(0)] : [role(0), role(1), delta(0, '"content":"First. "')],
    tail: index === 0 ? [finish(0), done] : [finish(0), finish(1), done],
    frame: (literal, edited) => {
      const logprobs = edited ? 'null' : `{"content":[{"token":${literal},"logprob":-0.10}]}`;
      return delta(index, write(literal), `"logprobs":${logprobs},"finish_reason":null`);
    },
    plain: (literal) =>
      body(
        index === 0 ? message(0, write(literal)) : `${message(0, '"content":"First. "')},${message(1, write(literal))}`,
      ),
    key: keys,
  };
}

const both = (openai: string | undefined, anthropic: string | undefined): Carrier['key'] => ({
  'openai-chat': openai,
  'anthropic-messages': anthropic,
});

function call(index: number, members: string, opening: boolean): string {
  const named = opening ? `"id":"call_${index}","type":"function",` : '';
  return `"tool_calls":[{"index":${index},${named}"function":{${members}}}]`;
}

/** Arguments of a tool call, in one way of putting the text into JSON. */
function openaiTool(way: ArgumentWay, index = 0): Carrier {
  const other = index === 0 ? [] : [delta(0, call(0, '"name":"first","arguments":"{\\"a\\": [1, 2]}"', true))];
  const opening = delta(0, call(index, '"name":"look","arguments":""', true));
  return {
    ...way,
    name: `${index === 0 ? '' : 'second '}tool call, ${way.name}`,
    provider: 'openai-chat',
    head: [role(0), ...other, opening],
    tail: [finish(0, 'tool_calls'), done],
    frame: (literal) => delta(0, call(index, `"arguments":${literal}`, false)),
    plain: (literal) => {
      const first = '{"id":"call_0","type":"function","function":{"name":"first","arguments":"{\\"a\\": [1, 2]}"}}';
      const own = `{"id":"call_${index}","type":"function","function":{"name":"look","arguments":${literal}}}`;
      return body(message(0, `"content":null,"tool_calls":[${index === 0 ? own : `${first},${own}`}]`, 'tool_calls'));
    },
    key: both(`0 tool ${index}`, `0 tool ${index}`),
  };
}

interface ArgumentWay {
  readonly name: string;
  readonly document: (text: string) => string;
  readonly numbers?: true;
}

/** Every third character as an escape, as no serialiser would and every parser reads. */
function escaped(text: string): string {
  let out = '';
  for (let i = 0; i < text.length; i += 1) {
    const unit = text.charCodeAt(i);
    const plain = i % 3 !== 0 && unit >= 0x20 && unit < 0x7f && text[i] !== '"' && text[i] !== '\\';
    out += plain ? text[i] : `\\u${unit.toString(16).padStart(4, '0')}`;
  }
  return `"${out}"`;
}

export const argumentWays: readonly ArgumentWay[] = [
  { name: 'in a string', document: (text) => `{"who": [true, {"note":${JSON.stringify(text)}}], "n": 12}` },
  { name: 'in a string of escapes', document: (text) => `{"note" :${escaped(text)},"big":12345678901234567890}` },
  { name: 'as a key', document: (text) => `{"before":null,${JSON.stringify(text)} : 1e3}` },
  { name: 'as a number', document: (text) => `{"n": ${text}, "list":[-1.50]}`, numbers: true },
];

const openai: readonly Carrier[] = [
  member('content', both('0 content', '0 content'), (literal) => `"content":${literal}`),
  member(
    'parts of content',
    both('0 content', '0 content'),
    (literal) => `"content":[{"type":"text","text":${literal}}]`,
  ),
  member(
    'reasoning_content',
    both('0 reasoning_content', '0 reasoning'),
    (literal) => `"reasoning_content":${literal}`,
  ),
  member('reasoning', both('0 reasoning', '0 reasoning'), (literal) => `"reasoning":${literal}`),
  member('refusal', both('0 refusal', '0 content'), (literal) => `"refusal":${literal}`),
  member('second choice', both('1 content', undefined), (literal) => `"content":${literal}`, 1),
  member('second choice, unknown field', both('1 aside', undefined), (literal) => `"aside":${literal}`, 1),
  member('unknown field', both('0 aside', undefined), (literal) => `"content":"","aside":${literal}`),
  member('transcript of audio', both('0 audio', undefined), (literal) => `"audio":{"id":"a","transcript":${literal}}`),
  {
    ...member(
      'function_call',
      both('0 function_call', '0 tool 0'),
      (literal) => `"function_call":{"name":"f","arguments":${literal}}`,
    ),
    document: argumentWays[0]!.document,
  },
  ...argumentWays.map((way) => openaiTool(way)),
  ...argumentWays.slice(0, 2).map((way) => openaiTool(way, 1)),
  {
    name: 'custom tool',
    provider: 'openai-chat',
    head: [
      role(0),
      delta(0, '"tool_calls":[{"index":0,"id":"call_0","type":"custom","custom":{"name":"sh","input":""}}]'),
    ],
    tail: [finish(0, 'tool_calls'), done],
    frame: (literal) => delta(0, `"tool_calls":[{"index":0,"custom":{"input":${literal}}}]`),
    plain: (literal) =>
      body(
        message(
          0,
          `"content":null,"tool_calls":[{"id":"call_0","type":"custom","custom":{"name":"sh","input":${literal}}}]`,
        ),
      ),
    key: both('0 custom 0', '0 tool 0'),
  },
  {
    name: 'text of the old completions',
    provider: 'openai-chat',
    head: [],
    tail: [chunk('{"index":0,"text":"","finish_reason":"stop"}'), done],
    frame: (literal) => chunk(`{"index":0,"text":${literal},"finish_reason":null}`),
    key: both('0 text', '0 content'),
  },
];

const event = (type: string, members: string) => `event: ${type}\ndata: {"type":"${type}",${members}}\n\n`;
const started = event(
  'message_start',
  '"message":{"id":"msg_1","type":"message","role":"assistant","model":"c-1","content":[],"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":3,"output_tokens":1}},"exact":1.0',
);
const open = (index: number, block: string) =>
  event('content_block_start', `"index":${index},"content_block":${block}`);
const close = (index: number) => event('content_block_stop', `"index":${index}`);
const inBlock = (index: number, members: string) =>
  event('content_block_delta', `"index":${index}, "delta":{${members}}`);
const stop = (reason: string) => [
  event('message_delta', `"delta":{"stop_reason":"${reason}","stop_sequence":null},"usage":{"output_tokens":9}`),
  'event: message_stop\ndata: {"type":"message_stop"}\n\n',
];

function whole(blocks: string, reason: string): string {
  return `{"id":"msg_1","type":"message","role":"assistant","model":"c-1","content":[${blocks}],"stop_reason":"${reason}","stop_sequence":null,"usage":{"input_tokens":3,"output_tokens":9},"exact":1.0}`;
}

const text0 = '{"type":"text","text":""}';
const firstTool = '{"type":"tool_use","id":"t0","name":"first","input":{"a": [1, 2]}}';

function anthropicTool(way: ArgumentWay, index = 0, type = 'tool_use'): Carrier {
  const place = index === 0 ? 0 : 1;
  const own = (input: string) => `{"type":"${type}","id":"t${index}","name":"look","input":${input}}`;
  return {
    ...way,
    name: `${index === 0 ? '' : 'second '}${type}, ${way.name}`,
    provider: 'anthropic-messages',
    head: [started, ...(index === 0 ? [] : [open(0, firstTool), close(0)]), open(place, own('{}'))],
    tail: [close(place), ...stop('tool_use')],
    frame: (literal) => inBlock(place, `"type":"input_json_delta","partial_json":${literal}`),
    plain: (literal) => whole(`${index === 0 ? '' : `${firstTool},`}${own(JSON.parse(literal))}`, 'tool_use'),
    key: both(type === 'tool_use' ? `0 tool ${index}` : undefined, `0 tool ${index}`),
  };
}

const anthropic: readonly Carrier[] = [
  {
    name: 'text',
    provider: 'anthropic-messages',
    head: [started, open(0, text0)],
    tail: [close(0), ...stop('end_turn')],
    frame: (literal) => inBlock(0, `"type":"text_delta","text":${literal}`),
    plain: (literal) => whole(`{"type":"text","text":${literal}}`, 'end_turn'),
    key: both('0 content', '0 content'),
  },
  {
    name: 'text after thinking and a tool',
    provider: 'anthropic-messages',
    head: [
      started,
      open(0, '{"type":"thinking","thinking":"","signature":""}'),
      inBlock(0, '"type":"thinking_delta","thinking":"Hm. "'),
      inBlock(0, '"type":"signature_delta","signature":"c2ln"'),
      close(0),
      open(1, firstTool),
      close(1),
      open(2, text0),
    ],
    tail: [close(2), ...stop('end_turn')],
    frame: (literal) => inBlock(2, `"type":"text_delta","text":${literal}`),
    key: both('0 content', '0 content'),
  },
  {
    name: 'unknown field of a delta',
    provider: 'anthropic-messages',
    head: [started, open(0, text0)],
    tail: [close(0), ...stop('end_turn')],
    frame: (literal) => inBlock(0, `"type":"future_delta","aside":${literal}`),
    key: both(undefined, '0 aside'),
  },
  ...argumentWays.map((way) => anthropicTool(way)),
  ...argumentWays.slice(0, 2).map((way) => anthropicTool(way, 1)),
  anthropicTool(argumentWays[0]!, 0, 'server_tool_use'),
];

export const carriers: readonly Carrier[] = [...openai, ...anthropic];

/** The stream of these pieces, a frame each. */
export function streamOf(
  carrier: Carrier,
  pieces: readonly string[],
  spell: (text: string) => string = JSON.stringify,
): string[] {
  return [...carrier.head, ...pieces.map((piece) => carrier.frame(spell(piece), false)), ...carrier.tail];
}

/** A JSON literal with every character escaped. */
export function allEscaped(text: string): string {
  let out = '';
  for (let i = 0; i < text.length; i += 1) out += `\\u${text.charCodeAt(i).toString(16).padStart(4, '0')}`;
  return `"${out}"`;
}
