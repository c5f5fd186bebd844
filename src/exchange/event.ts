import type { Failure } from './failure.ts';
import type { Channel } from './passage.ts';
import type { Usage } from './usage.ts';

/**
 * One run of text of a reply: all pieces of one channel of one choice, in order. Decoders intern lanes, so a lane is
 * compared by identity and `slot` (0, 1, 2 ... in order of appearance) indexes an array.
 */
export interface Lane {
  readonly slot: number;
  readonly choice: number;
  readonly channel: Channel;
  /** Which tool call or content block of the choice. */
  readonly index: number;
  /** Must stay as it is (signed thinking, the name of a called tool): never edited, the reply ends instead. */
  readonly signed: boolean;
  /** A client may read it as one text with the next run of the same channel (text blocks of one reply). */
  readonly joins?: true;
}

export type FinishReason = 'stop' | 'length' | 'tool_calls' | 'content_filter' | 'refusal' | 'pause' | 'other';

/** A piece of a reply in our own vocabulary. Every reply, streamed or plain, is a sequence of these. */
export type ReplyEvent =
  | { readonly type: 'start'; readonly id?: string; readonly model?: string; readonly created?: number }
  | { readonly type: 'text'; readonly lane: Lane; readonly text: string }
  | {
      readonly type: 'tool_start';
      readonly choice: number;
      /** Position among the tool calls of the choice: 0, 1, 2 ... */
      readonly index: number;
      readonly id: string;
      readonly name: string;
      readonly kind: 'function' | 'custom';
    }
  /** A lane is complete: nothing more of it follows. Formats without such a mark leave it out. */
  | { readonly type: 'lane_end'; readonly lane: Lane }
  /** Opaque provider data of reasoning (Anthropic signature, redacted thinking); carried in its own format only. */
  | { readonly type: 'signature'; readonly choice: number; readonly index: number; readonly signature: string }
  | {
      readonly type: 'finish';
      readonly choice: number;
      readonly reason: FinishReason;
      /** The provider's own word, where it says more than `reason`. */
      readonly native?: string;
      readonly stopSequence?: string;
    }
  | { readonly type: 'usage'; readonly usage: Usage }
  | { readonly type: 'ping' }
  | { readonly type: 'error'; readonly failure: Failure }
  /** The format's own mark of a complete reply (`[DONE]`, `message_stop`, the end of a plain body). */
  | { readonly type: 'end' };

/**
 * A piece on the wire: one SSE event with its terminator, or a whole plain body. `events` are what it says.
 * An untouched frame is written as `raw`.
 */
export interface Frame {
  readonly raw: Buffer;
  readonly events: readonly ReplyEvent[];
  /** Comments and pings: nothing to guard, may overtake held frames. */
  readonly passes: boolean;
  /** Only there because the gateway asked for usage: dropped on the way to a client that did not ask. */
  readonly usageOnly: boolean;
  /**
   * The frame with its texts replaced: `texts[i]` belongs to the i-th `text` event of `events`, undefined leaves it.
   * Everything else keeps its bytes, but for what repeats the replaced text (logprobs), which goes.
   */
  rewrite(texts: readonly (string | undefined)[]): Buffer;
}
