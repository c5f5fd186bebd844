import type { FinishReason, Frame, ReplyEvent } from './event.ts';
import type { Failure } from './failure.ts';
import type { EncodedRequest, FormatName, RequestEdits, RequestView } from './request.ts';

/** What a reply is written with when the two sides speak different formats, or when the gateway ends it itself. */
export interface ReplyContext {
  /** The exchange's id: the reply's id where the provider gave none. */
  readonly id: string;
  /** The model name the client sees. */
  readonly model: string;
  /** Unix time, seconds. */
  readonly created: number;
  /** Whether the client asked for usage in its stream. */
  readonly usageAsked: boolean;
}

/** Turns bytes of a provider's reply into frames. One for each attempt; keeps state between chunks. */
export interface ReplyDecoder {
  /** Any chunking of the same bytes yields the same frames. */
  push(chunk: Buffer): readonly Frame[];
  /** The provider's body is over. A reply that is not complete yields an `error` event, never an `end`. */
  end(): readonly Frame[];
  /** The reply has ended, well or with an error: whatever else may come is none of it. */
  readonly over: boolean;
}

/** Turns events into bytes of the client's format. One for each exchange; keeps state between events. */
export interface ReplyEncoder {
  /** Bytes for these events; empty where they say nothing in this format (yet). */
  encode(events: readonly ReplyEvent[]): Buffer;
}

/**
 * Where the client stands in a reply that goes through byte for byte: what the format needs in order to end it
 * properly from outside (open choices, open content blocks, ids).
 */
export interface ReplyCloser {
  /** Told of every frame that left, in order. */
  left(frame: Frame): void;
  /** Bytes that end the reply well formed with this reason: a rail (`content_filter`) or a ceiling (`length`). */
  finish(reason: Extract<FinishReason, 'content_filter' | 'length'>): Buffer;
  /** Bytes that tell of a fault in the middle of a stream: the format's own error, never a clean end. */
  fail(failure: Failure, requestId: string): Buffer;
}

/** A wire language, both directions. Four files a folder: request, reply, stream, failure. */
export interface Format {
  readonly name: FormatName;
  /** Switches in the query of a call's address that clients of the format set: they go on to a provider that speaks it. */
  readonly passQuery: readonly string[];
  /** Whether its usage says how often tools were called that the provider runs. */
  readonly tellsHostedCalls: boolean;

  // Serving: the client speaks it.
  /** Reads a request body. Throws `invalid_request` with `param`: not JSON, invalid UTF-8, duplicate keys, wrong types. */
  read(bytes: Buffer): RequestView;
  /** A failure before the first byte, as a JSON body of this format. */
  failureBody(failure: Failure, requestId: string): Buffer;
  /** For a stream in this format made from events. */
  streamEncoder(context: ReplyContext): ReplyEncoder;
  /** A whole plain reply in this format made from all its events. */
  plainReply(events: readonly ReplyEvent[], context: ReplyContext): Buffer;

  // Calling: the provider speaks it.
  encodeRequest(view: RequestView, edits: RequestEdits): EncodedRequest;
  streamDecoder(options: { readonly usageInjected: boolean }): ReplyDecoder;
  /** A plain reply as one frame. A body that cannot be read yields an `error` event. */
  plainFrame(body: Buffer): Frame;
  /** A provider's error reply as a failure: its status, message, code and Retry-After kept. */
  upstreamFailure(status: number, headers: Readonly<Record<string, string>>, body: Buffer): Failure;

  // Both sides the same.
  closer(context: ReplyContext): ReplyCloser;
  /** A comment line that keeps a held stream alive, in this format's stream framing. */
  readonly keepAlive: Buffer;
}
