import type {
  Failure,
  FinishReason,
  Frame,
  Lane,
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
import { alone, MessageReading, repeats, stopWord, toolId, wholeUsage } from './reply.ts';
import { usageBody } from './usage.ts';

/** Usage always comes in this format, so there is none to be marked as injected. */
export function streamDecoder(_options: { readonly usageInjected: boolean }): ReplyDecoder {
  const reading = new MessageReading();
  return new SseReplyDecoder({
    said: (value, event, data) => reading.event(value, event, data),
    alone,
    isDone: () => false,
    mayEnd: false,
    repeats,
  });
}

function line(body: JsonObject & { readonly type: string }): string {
  return `event: ${body.type}\ndata: ${JSON.stringify(body)}\n\n`;
}

function messageStart(id: string, model: string, usage: Usage | undefined): string {
  return line({
    type: 'message_start',
    message: {
      id,
      type: 'message',
      role: 'assistant',
      model,
      content: [],
      stop_reason: null,
      stop_sequence: null,
      usage: wholeUsage(usage),
    },
  });
}

function messageDelta(reason: string, sequence: string | undefined, usage: JsonObject): string {
  const delta = { stop_reason: reason, stop_sequence: sequence ?? null };
  return line({ type: 'message_delta', delta, usage: { output_tokens: 0, ...usage } });
}

interface OpenCall {
  readonly index: number;
  readonly kind: 'function' | 'custom';
  /** Number of its content block. */
  readonly block: number;
  open: boolean;
}

class EventEncoder implements ReplyEncoder {
  readonly #context: ReplyContext;
  readonly #calls: OpenCall[] = [];
  #begun = false;
  #blocks = 0;
  /** The text or thinking block being written. Tool blocks stay open beside it: their fragments may interleave. */
  #current: { readonly lane: Lane; readonly block: number } | undefined;
  #usage: Usage | undefined;
  #finish: Extract<ReplyEvent, { type: 'finish' }> | undefined;
  #refused = false;
  #over = false;
  #out = '';

  constructor(context: ReplyContext) {
    this.#context = context;
  }

  encode(events: readonly ReplyEvent[]): Buffer {
    this.#out = '';
    for (const [position, event] of events.entries()) {
      if (this.#over) break;
      // Usage told in the same breath belongs into `message_start`.
      const usage = event.type === 'start' ? events.slice(position).find((one) => one.type === 'usage') : undefined;
      if (usage?.type === 'usage') this.#usage = usage.usage;
      this.#write(event);
    }
    return Buffer.from(this.#out);
  }

  #write(event: ReplyEvent): void {
    switch (event.type) {
      case 'start':
        this.#begin(event.id);
        return;
      case 'text':
        // One reply has one choice in this format.
        if (event.lane.choice === 0) this.#text(event.lane, event.text);
        return;
      case 'tool_start':
        if (event.choice === 0) this.#tool(event);
        return;
      case 'lane_end':
        this.#laneEnd(event.lane);
        return;
      case 'signature':
        this.#sign(event);
        return;
      case 'finish':
        if (event.choice === 0) this.#finish = event;
        return;
      case 'usage':
        this.#usage = event.usage;
        return;
      case 'ping':
        this.#out += line({ type: 'ping' });
        return;
      case 'error':
        this.#over = true;
        this.#out += `event: error\ndata: ${JSON.stringify(errorOf(event.failure))}\n\n`;
        return;
      case 'end':
        this.#end();
        return;
    }
  }

  #begin(id?: string): void {
    if (this.#begun) return;
    this.#begun = true;
    this.#out += messageStart(id ?? this.#context.id, this.#context.model, this.#usage);
  }

  #open(block: JsonObject): number {
    this.#begin();
    const index = this.#blocks;
    this.#blocks += 1;
    this.#out += line({ type: 'content_block_start', index, content_block: block });
    return index;
  }

  #delta(index: number, delta: JsonObject): void {
    this.#out += line({ type: 'content_block_delta', index, delta });
  }

  #stop(index: number): void {
    this.#out += line({ type: 'content_block_stop', index });
  }

  #closeCurrent(): void {
    if (this.#current !== undefined) this.#stop(this.#current.block);
    this.#current = undefined;
  }

  #text(lane: Lane, text: string): void {
    const call = callFor(this.#calls, lane.channel, lane.index);
    if (call !== undefined) {
      // A custom tool's free text becomes the one member of the object this format demands.
      const json = call.kind === 'custom' ? JSON.stringify(text).slice(1, -1) : text;
      if (call.open) this.#delta(call.block, { type: 'input_json_delta', partial_json: json });
      return;
    }
    if (lane.channel !== 'content' && lane.channel !== 'refusal' && lane.channel !== 'reasoning') return;
    if (lane.channel === 'refusal') this.#refused = true;
    if (this.#current?.lane !== lane) {
      this.#closeCurrent();
      const thinking = lane.channel === 'reasoning';
      const block = this.#open(
        thinking ? { type: 'thinking', thinking: '', signature: '' } : { type: 'text', text: '' },
      );
      this.#current = { lane, block };
    }
    const delta =
      lane.channel === 'reasoning' ? { type: 'thinking_delta', thinking: text } : { type: 'text_delta', text };
    this.#delta(this.#current.block, delta);
  }

  #tool({ index, id, name, kind }: Extract<ReplyEvent, { type: 'tool_start' }>): void {
    this.#closeCurrent();
    const block = this.#open({
      type: 'tool_use',
      id: id || toolId(this.#context.id, this.#calls.length),
      name,
      input: {},
    });
    this.#calls.push({ index, kind, block, open: true });
    if (kind === 'custom') this.#delta(block, { type: 'input_json_delta', partial_json: '{"input":"' });
  }

  #closeCall(call: OpenCall): void {
    if (!call.open) return;
    call.open = false;
    if (call.kind === 'custom') this.#delta(call.block, { type: 'input_json_delta', partial_json: '"}' });
    this.#stop(call.block);
  }

  #laneEnd(lane: Lane): void {
    if (this.#current?.lane === lane) this.#closeCurrent();
    const call = lane.choice === 0 ? callFor(this.#calls, lane.channel, lane.index) : undefined;
    if (call !== undefined) this.#closeCall(call);
  }

  #sign({ choice, index, signature }: Extract<ReplyEvent, { type: 'signature' }>): void {
    const current = this.#current;
    if (choice !== 0 || current?.lane.channel !== 'reasoning' || current.lane.index !== index) return;
    this.#delta(current.block, { type: 'signature_delta', signature });
  }

  /** The last word waits for the end of the reply: other formats tell their usage after the reason to finish. */
  #end(): void {
    this.#over = true;
    this.#begin();
    this.#closeCurrent();
    for (const call of this.#calls) this.#closeCall(call);
    const sequence = this.#finish?.stopSequence;
    const reason = stopWord(this.#finish?.reason ?? 'stop', sequence, this.#refused);
    this.#out += messageDelta(reason, sequence, this.#usage === undefined ? {} : usageBody(this.#usage));
    this.#out += line({ type: 'message_stop' });
  }
}

export function streamEncoder(context: ReplyContext): ReplyEncoder {
  return new EventEncoder(context);
}

class EventCloser implements ReplyCloser {
  readonly #context: ReplyContext;
  readonly #open = new Set<number>();
  #started = false;
  #finished = false;
  #ended = false;
  #usage: Usage | undefined;
  #glue = '';

  constructor(context: ReplyContext) {
    this.#context = context;
  }

  left(frame: Frame): void {
    if (frame instanceof WireFrame) {
      const { blockOpened, blockClosed } = frame.marks;
      if (blockOpened !== undefined) this.#open.add(blockOpened);
      if (blockClosed !== undefined) this.#open.delete(blockClosed);
    }
    for (const event of frame.events) {
      if (event.type === 'start') this.#started = true;
      else if (event.type === 'usage') this.#usage = event.usage;
      else if (event.type === 'finish') this.#finished = true;
      else if (event.type === 'end') this.#ended = true;
    }
    // A provider's last message may lack its blank line: what follows must not run into it.
    const last = frame.raw.at(-1);
    if (last !== undefined) this.#glue = last === 0x0a || last === 0x0d ? '' : '\n\n';
  }

  finish(reason: Extract<FinishReason, 'content_filter' | 'length'>): Buffer {
    if (this.#ended) return Buffer.alloc(0);
    this.#ended = true;
    let out = this.#glue;
    if (!this.#started) out += messageStart(this.#context.id, this.#context.model, this.#usage);
    for (const index of [...this.#open].toSorted((a, b) => a - b)) out += line({ type: 'content_block_stop', index });
    const usage = this.#usage === undefined ? {} : usageBody(this.#usage);
    if (!this.#finished) out += messageDelta(stopWord(reason, undefined, false), undefined, usage);
    return Buffer.from(out + line({ type: 'message_stop' }));
  }

  fail(failure: Failure, requestId: string): Buffer {
    if (this.#ended) return Buffer.alloc(0);
    this.#ended = true;
    const document = ownDocument(failure, 'anthropic-messages') ?? JSON.stringify(errorOf(failure, requestId));
    return Buffer.from(`${this.#glue}event: error\ndata: ${document}\n\n`);
  }
}

export function closer(context: ReplyContext): ReplyCloser {
  return new EventCloser(context);
}
