import type {
  Failure,
  FinishReason,
  Frame,
  ReplyCloser,
  ReplyContext,
  ReplyDecoder,
  ReplyEncoder,
  ReplyEvent,
  Usage,
} from '../../exchange/index.ts';
import { callFor } from '../gathered.ts';
import type { JsonObject } from '../json/index.ts';
import { SseReplyDecoder } from '../stream-decoder.ts';
import { ownDocument } from '../upstream.ts';
import { WireFrame } from '../wire-frame.ts';
import { errorOf } from './failure.ts';
import { alone, callId, finishWord, padding, ReplyReading, repeats, tierWord, usageBody } from './reply.ts';

const done = Buffer.from('[DONE]');
const doneLine = 'data: [DONE]\n\n';
/** A ping has no word in this format; any bytes keep the client's timer from running out. */
const pingLine = ': ping\n\n';

/** `usageInjected`: the chunk of usage alone is only there because the gateway asked, and is marked so. */
export function streamDecoder({ usageInjected }: { readonly usageInjected: boolean }): ReplyDecoder {
  const reading = new ReplyReading();
  return new SseReplyDecoder({
    said: (value, event, data) => {
      // `event: error` may carry the error's members bare.
      const bare = event === 'error' && typeof value === 'object' && value !== null && !('error' in value);
      return reading.said(bare ? { error: value } : value, data, usageInjected);
    },
    alone,
    padding,
    isDone: (data) => data.length <= done.length + 2 && data.toString('latin1').trim() === '[DONE]',
    // Many servers that speak the format never send `[DONE]`; a reason for every choice tells the same.
    get mayEnd() {
      return reading.finished;
    },
    repeats,
  });
}

interface OpenCall {
  readonly index: number;
  readonly kind: 'function' | 'custom';
  /** Position among the calls written so far: dense, whatever the provider's numbers. */
  readonly place: number;
  written: boolean;
}

class ChunkEncoder implements ReplyEncoder {
  readonly #context: ReplyContext;
  readonly #begun = new Set<number>();
  readonly #calls = new Map<number, OpenCall[]>();
  #id: string;
  #created: number;
  #usage: Usage | undefined;
  #over = false;
  #out = '';

  constructor(context: ReplyContext) {
    this.#context = context;
    this.#id = context.id;
    this.#created = context.created;
  }

  encode(events: readonly ReplyEvent[]): Buffer {
    this.#out = '';
    for (const event of events) if (!this.#over) this.#write(event);
    return Buffer.from(this.#out);
  }

  #write(event: ReplyEvent): void {
    switch (event.type) {
      case 'start':
        this.#id = event.id ?? this.#id;
        this.#created = event.created ?? this.#created;
        this.#begin(0);
        return;
      case 'text':
        this.#text(event);
        return;
      case 'tool_start':
        this.#tool(event);
        return;
      case 'finish':
        this.#fillCalls(event.choice);
        this.#chunk(event.choice, {}, finishWord(event.reason));
        return;
      case 'usage':
        this.#usage = event.usage;
        return;
      case 'ping':
        this.#out += pingLine;
        return;
      case 'error':
        this.#over = true;
        this.#out += `data: ${JSON.stringify(errorOf(event.failure))}\n\n`;
        return;
      case 'end':
        this.#end();
        return;
      case 'lane_end':
      case 'signature':
        return;
    }
  }

  /** The first chunk of a choice names the role. */
  #begin(choice: number): void {
    if (this.#begun.has(choice)) return;
    this.#begun.add(choice);
    this.#chunk(choice, { role: 'assistant', content: '' }, null);
  }

  #text({ lane, text }: Extract<ReplyEvent, { type: 'text' }>): void {
    const { choice, channel, index } = lane;
    const call = callFor(this.#callsOf(choice), channel, index);
    if (call !== undefined) {
      call.written = true;
      const input = call.kind === 'custom' ? { custom: { input: text } } : { function: { arguments: text } };
      this.#chunk(choice, { tool_calls: [{ index: call.place, ...input }] }, null);
    } else if (channel === 'content') this.#chunk(choice, { content: text }, null);
    else if (channel === 'reasoning') this.#chunk(choice, { reasoning_content: text }, null);
    else if (channel === 'refusal') this.#chunk(choice, { refusal: text }, null);
  }

  #tool({ choice, index, id, name, kind }: Extract<ReplyEvent, { type: 'tool_start' }>): void {
    const calls = this.#callsOf(choice);
    const place = calls.length;
    calls.push({ index, kind, place, written: false });
    const body = kind === 'custom' ? { custom: { name, input: '' } } : { function: { name, arguments: '' } };
    this.#chunk(
      choice,
      { tool_calls: [{ index: place, id: id || callId(this.#context.id, choice, place), type: kind, ...body }] },
      null,
    );
  }

  #callsOf(choice: number): OpenCall[] {
    const known = this.#calls.get(choice);
    if (known !== undefined) return known;
    const fresh: OpenCall[] = [];
    this.#calls.set(choice, fresh);
    return fresh;
  }

  /** A call without input has no fragment on some wires; clients parse the arguments as JSON all the same. */
  #fillCalls(choice: number): void {
    for (const call of this.#callsOf(choice)) {
      if (call.written || call.kind === 'custom') continue;
      this.#chunk(choice, { tool_calls: [{ index: call.place, function: { arguments: '{}' } }] }, null);
    }
  }

  #chunk(choice: number, delta: JsonObject, finish: string | null): void {
    if (!('role' in delta)) this.#begin(choice);
    this.#line([{ index: choice, delta, logprobs: null, finish_reason: finish }], null);
  }

  #line(choices: readonly JsonObject[], usage: JsonObject | null): void {
    const tier = this.#usage?.serviceTier;
    const chunk = {
      id: this.#id,
      object: 'chat.completion.chunk',
      created: this.#created,
      model: this.#context.model,
      ...(tier === undefined ? {} : { service_tier: tierWord(tier) }),
      choices,
      ...(this.#context.usageAsked ? { usage } : {}),
    };
    this.#out += `data: ${JSON.stringify(chunk)}\n\n`;
  }

  #end(): void {
    this.#over = true;
    // Usage nobody told is not made up: the chunk stays away, as it does when a stream is interrupted.
    if (this.#context.usageAsked && this.#usage !== undefined) this.#line([], usageBody(this.#usage));
    this.#out += doneLine;
  }
}

export function streamEncoder(context: ReplyContext): ReplyEncoder {
  return new ChunkEncoder(context);
}

class ChunkCloser implements ReplyCloser {
  readonly #context: ReplyContext;
  readonly #open = new Set<number>([0]);
  readonly #finished = new Set<number>();
  #start: Extract<ReplyEvent, { type: 'start' }> | undefined;
  #ended = false;
  #glue = '';

  constructor(context: ReplyContext) {
    this.#context = context;
  }

  left(frame: Frame): void {
    if (frame instanceof WireFrame) for (const choice of frame.marks.choices) this.#seen(choice);
    for (const event of frame.events) {
      if (event.type === 'text') this.#seen(event.lane.choice);
      else if (event.type === 'tool_start') this.#seen(event.choice);
      else if (event.type === 'start') this.#start = event;
      else if (event.type === 'finish') {
        this.#finished.add(event.choice);
        this.#open.delete(event.choice);
      } else if (event.type === 'end') this.#ended = true;
    }
    // A provider's last message may lack its blank line: what follows must not run into it.
    const last = frame.raw.at(-1);
    if (last !== undefined) this.#glue = last === 0x0a || last === 0x0d ? '' : '\n\n';
  }

  #seen(choice: number): void {
    if (!this.#finished.has(choice)) this.#open.add(choice);
  }

  finish(reason: Extract<FinishReason, 'content_filter' | 'length'>): Buffer {
    if (this.#ended) return Buffer.alloc(0);
    this.#ended = true;
    let out = this.#glue;
    for (const index of [...this.#open].toSorted((a, b) => a - b)) {
      const chunk = {
        id: this.#start?.id ?? this.#context.id,
        object: 'chat.completion.chunk',
        created: this.#start?.created ?? this.#context.created,
        model: this.#start?.model ?? this.#context.model,
        choices: [{ index, delta: {}, logprobs: null, finish_reason: reason }],
      };
      out += `data: ${JSON.stringify(chunk)}\n\n`;
    }
    return Buffer.from(out + doneLine);
  }

  fail(failure: Failure, _requestId: string): Buffer {
    if (this.#ended) return Buffer.alloc(0);
    this.#ended = true;
    const document = ownDocument(failure, 'openai-chat') ?? JSON.stringify(errorOf(failure));
    return Buffer.from(`${this.#glue}data: ${document}\n\n`);
  }
}

export function closer(context: ReplyContext): ReplyCloser {
  return new ChunkCloser(context);
}
