import type { Format, Frame, ReplyDecoder, Usage } from '../exchange/index.ts';
import { ReplyMeter } from './reply-meter.ts';

/** A plain reply that is longer is not read for its usage. */
const plainBytesMax = 1_048_576;
/** A stream whose one message is longer is not read any further. */
const messageBytesMax = 1_048_576;

/** What a reply that goes through says of its cost, as far as its provider's format lets one read it. */
export interface ToldUsage {
  readonly usage: Usage | undefined;
  /** The model the provider says it used. */
  readonly model: string | undefined;
  /** The reply was read to its end, and what it tells is of all it said. */
  readonly complete: boolean;
}

/** Listens to the bytes of a reply on their way, within bounds: it holds nothing back and changes nothing. */
export interface UsageTap {
  see(chunk: Buffer): void;
  /** The reply is whole. */
  end(): void;
  readonly told: ToldUsage;
}

const nothing: ToldUsage = { usage: undefined, model: undefined, complete: false };

/** A tap for a reply of this content type; one that hears nothing where usage cannot stand in it. */
export function usageTap(format: Format, contentType: string | undefined): UsageTap {
  const type = contentType?.split(';')[0]?.trim().toLowerCase();
  if (type === 'text/event-stream') return new StreamTap(format.streamDecoder({ usageInjected: false }));
  if (type === 'application/json') return new PlainTap(format);
  return { see: () => {}, end: () => {}, told: nothing };
}

const usageMark = Buffer.from('"usage"');

class PlainTap implements UsageTap {
  readonly #format: Format;
  #chunks: Buffer[] | undefined = [];
  #size = 0;
  told = nothing;

  constructor(format: Format) {
    this.#format = format;
  }

  see(chunk: Buffer): void {
    if (this.#chunks === undefined) return;
    this.#size += chunk.length;
    if (this.#size > plainBytesMax) this.#chunks = undefined;
    else this.#chunks.push(chunk);
  }

  end(): void {
    const body = this.#chunks === undefined ? undefined : Buffer.concat(this.#chunks);
    this.#chunks = undefined;
    if (body === undefined || !body.includes(usageMark)) return;
    const meter = new ReplyMeter(false);
    // A provider's API says many things in JSON: what is no reply of its format simply tells no usage.
    if (!heard(() => meter.see(this.#format.plainFrame(body)))) return;
    const { usage, model, failure } = meter;
    // No reply of its format, and a bill all the same, where it tells both of what it read and of what it wrote.
    const billed = usage?.input !== undefined && usage.output !== undefined;
    this.told = { usage, model, complete: billed || failure === undefined };
  }
}

class StreamTap implements UsageTap {
  readonly #meter = new ReplyMeter(false);
  #decoder: ReplyDecoder | undefined;
  /** Bytes since the last frame. */
  #waiting = 0;

  constructor(decoder: ReplyDecoder) {
    this.#decoder = decoder;
  }

  see(chunk: Buffer): void {
    this.#waiting += chunk.length;
    this.#read((decoder) => decoder.push(chunk));
    if (this.#waiting > messageBytesMax) this.#decoder = undefined;
  }

  end(): void {
    this.#read((decoder) => decoder.end());
    this.#decoder = undefined;
  }

  get told(): ToldUsage {
    const { usage, model, complete, failure, outdated } = this.#meter;
    return { usage, model, complete: complete && !outdated && failure === undefined };
  }

  #read(frames: (decoder: ReplyDecoder) => readonly Frame[]): void {
    const decoder = this.#decoder;
    if (decoder === undefined) return;
    const read = heard(() => {
      for (const frame of frames(decoder)) {
        this.#waiting = 0;
        this.#meter.see(frame);
      }
    });
    if (!read) this.#decoder = undefined;
  }
}

/** Runs a reader that must not harm what goes through; false where it could not read. */
function heard(read: () => void): boolean {
  try {
    read();
    return true;
  } catch {
    return false;
  }
}
