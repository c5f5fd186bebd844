import { Failure, type Frame, type JsonPath, type ReplyDecoder, type ReplyEvent } from '../exchange/index.ts';
import { unambiguous } from './json/index.ts';
import { Likeness } from './likeness.ts';
import type { Said } from './said.ts';
import { SseFramer, type SseMessage, sseData } from './sse.ts';
import { type Repeats, WireFrame } from './wire-frame.ts';

/** How one format's event stream is read; the framing and what goes wrong around it is shared. */
export interface Dialect {
  /** What one JSON document of the stream says. */
  said(value: unknown, event: string, data: Buffer): Said;
  /** Data that is not JSON and means the reply is over (`[DONE]`). */
  isDone(data: Buffer): boolean;
  /** Whether the stream may end here without the format's mark of completeness. */
  readonly mayEnd: boolean;
  readonly repeats: Repeats;
  /**
   * Whether a document that differs from this one in its one text alone would say that text and nothing else that differs;
   * missing where nobody can tell.
   */
  alone?(value: unknown, said: Said): boolean;
  /** Members that hold a text nobody reads. */
  readonly padding?: readonly JsonPath[];
}

const nothing = Buffer.alloc(0);
const none: readonly Frame[] = [];

/** Reads an event stream in a dialect. What follows the end or an error of the reply is not passed on, but for comments. */
export class SseReplyDecoder implements ReplyDecoder {
  readonly #framer = new SseFramer();
  readonly #dialect: Dialect;
  readonly #likeness: Likeness;
  #over = false;

  constructor(dialect: Dialect) {
    this.#dialect = dialect;
    this.#likeness = new Likeness(dialect.padding);
  }

  get over(): boolean {
    return this.#over;
  }

  push(chunk: Buffer): readonly Frame[] {
    const messages = this.#framer.push(chunk);
    const first = messages[0];
    if (first !== undefined && messages.length === 1 && !this.#framer.overflowed) {
      const frame = this.#read(first);
      return frame === undefined ? none : [frame];
    }
    const frames: Frame[] = [];
    for (const message of messages) this.#readInto(frames, message);
    if (this.#framer.overflowed && !this.#over)
      frames.push(this.#broken('The provider sent a message that is too long.'));
    return frames;
  }

  end(): readonly Frame[] {
    const frames: Frame[] = [];
    for (const message of this.#framer.end()) {
      // Without its last line end, a message counts only where its data is whole; half of one is a cut stream.
      if (message.complete || this.#isWhole(message)) this.#readInto(frames, message);
    }
    if (this.#over) return frames;
    if (this.#dialect.mayEnd) frames.push(this.#bare(nothing, [{ type: 'end' }]));
    else frames.push(this.#broken("The provider's stream ended early."));
    return frames;
  }

  #isWhole(message: SseMessage): boolean {
    const data = sseData(message);
    return this.#dialect.isDone(data) || unambiguous(data).ok;
  }

  #readInto(frames: Frame[], message: SseMessage): void {
    const frame = this.#read(message);
    if (frame !== undefined) frames.push(frame);
  }

  #read(message: SseMessage): Frame | undefined {
    const data = message.data.length === 0 ? nothing : sseData(message);
    if (isBlank(data)) return WireFrame.bare(message.raw, [], true);
    return this.#over ? undefined : this.#document(message, data);
  }

  #document(message: SseMessage, data: Buffer): Frame {
    const alike = this.#likeness.said(data, message.event);
    if (alike !== undefined) return WireFrame.of(message.raw, alike, message.data, this.#dialect.repeats);
    if (this.#dialect.isDone(data)) return this.#bare(message.raw, [{ type: 'end' }]);
    const read = unambiguous(data);
    if (!read.ok) return this.#broken(`The provider sent a message that cannot be read: ${read.problem}.`);
    const said = this.#dialect.said(read.value, message.event, data);
    this.#likeness.parsed(data, message.event, said, this.#dialect.alone?.(read.value, said) ?? false);
    const last = said.events.at(-1)?.type;
    this.#over = last === 'end' || last === 'error';
    if (said.secret) return WireFrame.bare(nothing, said.events);
    return WireFrame.of(message.raw, said, message.data, this.#dialect.repeats);
  }

  #bare(raw: Buffer, events: readonly ReplyEvent[]): Frame {
    this.#over = true;
    return WireFrame.bare(raw, events);
  }

  /** Nothing of what could not be read is passed on. */
  #broken(message: string): Frame {
    return this.#bare(nothing, [{ type: 'error', failure: new Failure('upstream_error', message) }]);
  }
}

function isBlank(data: Buffer): boolean {
  for (let i = 0; i < data.length; i += 1) {
    const byte = data[i];
    if (byte !== 0x20 && byte !== 0x09 && byte !== 0x0a) return false;
  }
  return true;
}
