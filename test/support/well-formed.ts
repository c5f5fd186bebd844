import type { FormatName, ReplyEvent } from '../../src/exchange/index.ts';

/** How a reply's stream came to its end. */
export type Ending = 'end' | 'error';

interface Message {
  readonly event: string;
  readonly data: string;
}

/** A plain reader of event streams, on purpose not the one under test: whole text, one regular expression. */
export function sseMessages(bytes: Uint8Array, lenient = false): readonly Message[] {
  const text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  const lines = text.split(/\r\n|\r|\n/);
  const messages: Message[] = [];
  let event = '';
  let data: string[] = [];
  for (const line of lines) {
    if (line === '') {
      if (data.length > 0) messages.push({ event, data: data.join('\n') });
      event = '';
      data = [];
    } else if (line === 'data') data.push('');
    else if (line === 'event') event = '';
    else if (line.startsWith('data:')) data.push(line.slice(5).replace(/^ /, ''));
    else if (line.startsWith('event:')) event = line.slice(6).replace(/^ /, '');
  }
  if (data.length > 0 && lenient) messages.push({ event, data: data.join('\n') });
  else if (data.length > 0) throw new Error(`the stream ends inside a message: ${data.join(' ').slice(0, 80)}`);
  return messages;
}

/**
 * Checks the grammar of a whole stream as a client of the format sees it; throws on the first fault. `provider` allows
 * what imitators of a format do and clients bear: chunks without a role, no `[DONE]` after every choice has finished, no
 * blank line after the last message.
 */
export function wellFormed(format: FormatName, bytes: Uint8Array, options: { provider?: boolean } = {}): Ending {
  const messages = sseMessages(bytes, options.provider === true);
  return format === 'openai-chat' ? openaiChat(messages, options.provider === true) : anthropicMessages(messages);
}

function check(holds: unknown, law: string, at?: unknown): asserts holds {
  if (!holds) throw new Error(`${law}${at === undefined ? '' : `: ${JSON.stringify(at).slice(0, 200)}`}`);
}

interface ChoiceState {
  finished: boolean;
  readonly tools: Set<number>;
}

function openaiChat(messages: readonly Message[], provider: boolean): Ending {
  const choices = new Map<number, ChoiceState>();
  let ending: Ending | undefined;
  let id: unknown;
  let usageSeen = false;
  for (const { data } of messages) {
    check(ending === undefined, 'nothing follows the end or an error', data);
    if (data === '[DONE]') {
      check(choices.size > 0, 'a complete reply has a choice');
      for (const [index, choice] of choices) check(choice.finished, `choice ${index} finishes before [DONE]`);
      ending = 'end';
      continue;
    }
    const chunk = JSON.parse(data);
    if (chunk.error !== undefined) {
      check(typeof chunk.error.message === 'string', 'an error has a message', chunk);
      ending = 'error';
      continue;
    }
    check(provider || typeof chunk.id === 'string', 'a chunk has an id', chunk);
    check(id === undefined || chunk.id === id || provider, 'all chunks have one id', chunk);
    id = chunk.id;
    check(provider || chunk.object === 'chat.completion.chunk', 'a chunk says what it is', chunk);
    check(Array.isArray(chunk.choices) || provider, 'a chunk has choices', chunk);
    check(!usageSeen, 'the chunk of usage is the last', chunk);
    if (chunk.choices?.length === 0 && chunk.usage) usageSeen = true;
    for (const choice of chunk.choices ?? []) openaiChoice(choice, choices, provider);
  }
  if (ending === undefined && provider && choices.size > 0 && [...choices.values()].every((one) => one.finished))
    return 'end';
  check(ending !== undefined, 'a stream ends with [DONE] or an error');
  return ending;
}

// biome-ignore lint/suspicious/noExplicitAny: parsed JSON of the stream under test
function openaiChoice(choice: any, choices: Map<number, ChoiceState>, provider: boolean): void {
  check(Number.isInteger(choice.index), 'a choice has an index', choice);
  let state = choices.get(choice.index);
  if (state === undefined) {
    state = { finished: false, tools: new Set() };
    choices.set(choice.index, state);
    const closes = choice.finish_reason === 'content_filter' || choice.finish_reason === 'length';
    check(
      provider || closes || choice.delta.role === 'assistant',
      'the first delta of a choice names the role',
      choice,
    );
  }
  const delta = choice.delta ?? {};
  const says = Boolean(delta.content || delta.refusal || delta.reasoning_content || delta.tool_calls);
  check(!(state.finished && says), 'a finished choice says nothing more', choice);
  for (const call of delta.tool_calls ?? []) {
    if (state.tools.has(call.index)) continue;
    check(provider || call.index === state.tools.size, 'tool calls are counted without gaps', call);
    check(provider || typeof call.id === 'string', 'the first fragment of a call has its id', call);
    check(typeof (call.function ?? call.custom)?.name === 'string', 'the first fragment of a call has its name', call);
    state.tools.add(call.index);
  }
  if (choice.finish_reason) {
    check(!state.finished, 'a choice finishes once', choice);
    state.finished = true;
  }
}

const deltaOf: Record<string, readonly string[]> = {
  text: ['text_delta', 'citations_delta'],
  thinking: ['thinking_delta', 'signature_delta'],
  tool_use: ['input_json_delta'],
  server_tool_use: ['input_json_delta'],
};

function anthropicMessages(messages: readonly Message[]): Ending {
  const open = new Map<number, { readonly type: string; json: string }>();
  let blocks = 0;
  let started = false;
  let stopped = false;
  let ending: Ending | undefined;
  for (const { event, data } of messages) {
    check(ending === undefined, 'nothing follows the end or an error', data);
    const body = JSON.parse(data);
    check(event === body.type, 'the message is named as its data is', { event, body });
    if (body.type === 'ping') continue;
    if (body.type === 'error') {
      check(typeof body.error?.message === 'string', 'an error has a message', body);
      ending = 'error';
      continue;
    }
    check(started !== (body.type === 'message_start'), 'message_start comes first and once', body);
    check(!stopped || body.type === 'message_stop', 'only message_stop follows message_delta', body);
    switch (body.type) {
      case 'message_start':
        started = true;
        check(typeof body.message.usage.input_tokens === 'number', 'message_start has usage', body);
        break;
      case 'content_block_start':
        check(body.index === blocks, 'content blocks are counted without gaps', body);
        blocks += 1;
        open.set(body.index, { type: body.content_block.type, json: '' });
        break;
      case 'content_block_delta': {
        const block = open.get(body.index);
        check(block !== undefined, 'a delta belongs to an open block', body);
        const known = Object.values(deltaOf).flat().includes(body.delta.type);
        check(!known || deltaOf[block.type]?.includes(body.delta.type), 'a delta fits its block', body);
        block.json += body.delta.partial_json ?? '';
        break;
      }
      case 'content_block_stop': {
        const block = open.get(body.index);
        check(block !== undefined, 'a block is closed once', body);
        open.delete(body.index);
        break;
      }
      case 'message_delta':
        stopped = true;
        check(open.size === 0, 'every block is closed before message_delta', body);
        check(typeof body.delta.stop_reason === 'string', 'message_delta has a reason', body);
        check(typeof body.usage.output_tokens === 'number', 'message_delta has usage', body);
        break;
      case 'message_stop':
        check(stopped, 'message_delta comes before message_stop');
        ending = 'end';
        break;
    }
  }
  check(ending !== undefined, 'a stream ends with message_stop or an error');
  return ending;
}

/** Checks the grammar of a reply's events; throws on the first fault. */
export function wellFormedEvents(events: readonly ReplyEvent[]): Ending {
  const finished = new Set<number>();
  const ended = new Set<number>();
  let started = false;
  let ending: Ending | undefined;
  for (const event of events) {
    check(ending === undefined, 'no event follows the end or an error', event.type);
    switch (event.type) {
      case 'start':
        check(!started, 'a reply starts once');
        started = true;
        break;
      case 'text':
        check(started, 'a reply starts before it says anything', event);
        check(event.text !== '', 'a text is not empty');
        check(!ended.has(event.lane.slot), 'a lane that ended says nothing more', event);
        check(
          !finished.has(event.lane.choice) || event.lane.channel === 'other',
          'a finished choice says nothing more',
          event,
        );
        break;
      case 'lane_end':
        check(!ended.has(event.lane.slot), 'a lane ends once', event);
        ended.add(event.lane.slot);
        break;
      case 'tool_start':
        check(started && !finished.has(event.choice), 'a tool call starts while its choice is open', event);
        break;
      case 'finish':
        check(!finished.has(event.choice), 'a choice finishes once', event);
        finished.add(event.choice);
        break;
      case 'error':
      case 'end':
        ending = event.type;
        break;
      case 'usage':
      case 'signature':
      case 'ping':
        break;
    }
  }
  check(ending !== undefined, 'a reply ends with an end or an error');
  return ending;
}
