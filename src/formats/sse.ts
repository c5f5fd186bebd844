const lf = 0x0a;
const cr = 0x0d;
const colonByte = 0x3a;
const space = 0x20;

/** A run of bytes [start, end) of a message's `raw`. */
export interface Segment {
  readonly start: number;
  readonly end: number;
}

/** One message of an event stream as it stood on the wire. */
export interface SseMessage {
  /** Every byte of it: fields, comments, and the blank line that ends it. */
  readonly raw: Buffer;
  /** The `event` field; empty where there is none. */
  readonly event: string;
  /** Where the `data` lines stand in `raw`, without their field name and terminator. Empty: comments only, or nothing. */
  readonly data: readonly Segment[];
  /** False only for what was left when the stream ended in the middle of a message. */
  readonly complete: boolean;
}

export interface SseOptions {
  /** Longest message accepted, bytes. */
  readonly messageBytesMax?: number;
}

const nothing = Buffer.alloc(0);
const newline = Buffer.from('\n');
const none: readonly SseMessage[] = [];
const noData: readonly Segment[] = [];

/** Far above any message seen in the wild (whole images in one message), far below what would hurt. */
const messageBytesDefault = 32 * 1024 * 1024;

/**
 * Cuts an event stream into messages. Lines end in LF, CR or CRLF, also mixed; a byte order mark may come first. Any
 * chunking of the same bytes gives the same messages, and their `raw` bytes put together are the stream.
 *
 * A blank line ended by CR waits for the next byte (it may be an LF), unless the line before it ended in a bare CR:
 * then the message is over at once, and a stray LF becomes an empty message of its own.
 */
export class SseFramer {
  readonly #messageBytesMax: number;
  /** Bytes of the unfinished message, and nothing behind them: what is searched for would be looked for there as well. */
  #pending: Buffer = nothing;
  /** The same with spare room, which is filled in place, so appending is amortised; empty where they are a chunk's own. */
  #room: Buffer = nothing;
  /** Where the scan goes on, and the start of the line it is in. */
  #at = 0;
  #lineStart = 0;
  #bareCr = false;
  #first = true;
  #overflowed = false;

  constructor(options: SseOptions = {}) {
    this.#messageBytesMax = options.messageBytesMax ?? messageBytesDefault;
  }

  /** A message passed the limit: nothing more is read, and what was held of it is gone. */
  get overflowed(): boolean {
    return this.#overflowed;
  }

  /** The messages that this chunk completes. They share memory with the chunk where they can. */
  push(chunk: Buffer): readonly SseMessage[] {
    if (this.#overflowed || chunk.length === 0) return [];
    this.#append(chunk);
    let messages: SseMessage[] | undefined;
    let start = 0;
    // Nearly always lines end in LF alone, which is found much faster than either of two.
    const plain = !this.#hasCr();
    const allPlain = plain && this.#at === 0;
    for (let end = this.#next(plain); end !== -1; end = this.#next(plain)) {
      const message = this.#cut(start, end, true, allPlain);
      // Nearly always there is one; a list made with it has no room to spare.
      if (messages === undefined) messages = [message];
      else messages.push(message);
      start = end;
    }
    this.#drop(start);
    if (this.#pending.length > this.#messageBytesMax) {
      this.#overflowed = true;
      this.#drop(this.#pending.length);
    }
    return messages ?? none;
  }

  /** What is left when the stream is over: nothing, or a message without its end. */
  end(): readonly SseMessage[] {
    const bytes = this.#pending;
    if (bytes.length === 0) return [];
    // A blank line whose CR was waiting for an LF that never came.
    const complete = this.#at === this.#lineStart && bytes[this.#at] === cr;
    const message = this.#cut(0, bytes.length, complete, false);
    this.#drop(bytes.length);
    return [message];
  }

  #append(chunk: Buffer): void {
    const { length } = this.#pending;
    if (length === 0) {
      this.#pending = chunk;
      this.#room = nothing;
      return;
    }
    const needed = length + chunk.length;
    if (needed > this.#room.length) {
      const grown = Buffer.allocUnsafe(Math.max(1024, needed * 2));
      this.#pending.copy(grown);
      this.#room = grown;
    }
    chunk.copy(this.#room, length);
    this.#pending = this.#room.subarray(0, needed);
  }

  /** Forgets the first `count` bytes. Bytes handed out in messages are never written to again. */
  #drop(count: number): void {
    if (count === 0) return;
    if (count < this.#pending.length) {
      this.#at -= count;
      this.#lineStart -= count;
      this.#pending = this.#pending.subarray(count);
      this.#room = this.#room.subarray(count);
      return;
    }
    this.#pending = nothing;
    this.#room = nothing;
    this.#at = 0;
    this.#lineStart = 0;
  }

  #hasCr(): boolean {
    return this.#pending.indexOf(cr, this.#at) !== -1;
  }

  /** The end of the next message, or -1 where it is not there yet; `plain` where no CR is among the bytes. */
  #next(plain: boolean): number {
    return plain ? this.#nextPlain() : this.#nextMixed();
  }

  #nextPlain(): number {
    const bytes = this.#pending;
    for (;;) {
      const at = bytes.indexOf(lf, this.#at);
      if (at === -1) {
        this.#at = bytes.length;
        return -1;
      }
      const blank = at === this.#lineStart;
      this.#at = at + 1;
      this.#lineStart = at + 1;
      this.#bareCr = false;
      if (blank) return at + 1;
    }
  }

  #nextMixed(): number {
    const bytes = this.#pending;
    let i = this.#at;
    for (; i < bytes.length; i += 1) {
      const byte = bytes[i];
      if (byte !== lf && byte !== cr) continue;
      const blank = i === this.#lineStart;
      let end = i + 1;
      let bare = false;
      if (byte === cr && !(blank && this.#bareCr)) {
        if (end === bytes.length) break;
        if (bytes[end] === lf) end += 1;
        else bare = true;
      }
      i = end - 1;
      this.#lineStart = end;
      this.#bareCr = bare && !blank;
      if (blank) {
        this.#at = end;
        return end;
      }
    }
    this.#at = i;
    return -1;
  }

  /** `plain` where it is known that no CR is among the bytes. */
  #cut(start: number, end: number, complete: boolean, plain: boolean): SseMessage {
    const alone = start === 0 && end === this.#pending.length;
    const raw = alone ? this.#pending : this.#pending.subarray(start, end);
    const skip = this.#first && raw[0] === 0xef && raw[1] === 0xbb && raw[2] === 0xbf ? 3 : 0;
    this.#first = false;
    return messageOf(raw, skip, complete, plain || raw.indexOf(cr) === -1);
  }
}

/** The bytes of a message's data: in place where it is one line, joined by LF where it is several. */
export function sseData({ raw, data }: Pick<SseMessage, 'raw' | 'data'>): Buffer {
  const first = data[0];
  if (first === undefined) return nothing;
  if (data.length === 1) return raw.subarray(first.start, first.end);
  const lines: Buffer[] = [];
  for (const { start, end } of data) {
    if (lines.length > 0) lines.push(newline);
    lines.push(raw.subarray(start, end));
  }
  return Buffer.concat(lines);
}

/** Where an offset in `sseData(message)` stands in `message.raw`. */
export function rawOffset(message: Pick<SseMessage, 'data'>, offset: number): number {
  let left = offset;
  for (const { start, end } of message.data) {
    const length = end - start;
    if (left <= length) return start + left;
    left -= length + 1;
  }
  throw new RangeError('an offset beyond the data of a message');
}

function messageOf(raw: Buffer, from: number, complete: boolean, plain: boolean): SseMessage {
  let data: Segment[] | undefined;
  let event = '';
  let lineStart = from;
  while (lineStart < raw.length) {
    const lineEnd = plain ? plainLineEnd(raw, lineStart) : mixedLineEnd(raw, lineStart);
    const value = valueStart(raw, lineStart, lineEnd);
    if (value !== -1) {
      if (raw[lineStart] === 0x64) {
        const segment = { start: value, end: lineEnd };
        if (data === undefined) data = [segment];
        else data.push(segment);
      } else event = raw.toString('utf8', value, lineEnd);
    }
    lineStart = lineEnd + (raw[lineEnd] === cr && raw[lineEnd + 1] === lf ? 2 : 1);
  }
  return { raw, event, data: data ?? noData, complete };
}

function plainLineEnd(raw: Buffer, from: number): number {
  const at = raw.indexOf(lf, from);
  return at === -1 ? raw.length : at;
}

function mixedLineEnd(raw: Buffer, from: number): number {
  let at = from;
  while (at < raw.length && raw[at] !== lf && raw[at] !== cr) at += 1;
  return at;
}

const names = ['data', 'event'];

/** Where the value of a `data` or `event` line starts; -1 for any other line. A line without a colon has an empty value. */
function valueStart(raw: Buffer, start: number, end: number): number {
  for (const name of names) {
    const after = start + name.length;
    if (after > end || !stands(name, raw, start)) continue;
    if (after === end) return end;
    if (raw[after] !== colonByte) continue;
    return raw[after + 1] === space && after + 1 < end ? after + 2 : after + 1;
  }
  return -1;
}

function stands(name: string, raw: Buffer, at: number): boolean {
  for (let i = 0; i < name.length; i += 1) if (raw[at + i] !== name.charCodeAt(i)) return false;
  return true;
}
