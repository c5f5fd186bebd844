import type { Failure, FinishReason, Format, ReplyContext, ReplyEvent } from '../exchange/index.ts';
import type { Released } from './held-frames.ts';

/** Writes a stream in the client's format, and knows how to end it from outside. */
export interface StreamWriter {
  write(released: Released): Buffer;
  /** Ends the reply well formed: a rail or a ceiling stopped it. */
  finish(reason: Extract<FinishReason, 'content_filter' | 'length'>): Buffer;
  /** Tells of a fault; never a clean end. */
  fail(failure: Failure, requestId: string): Buffer;
}

/** Both sides speak the same format: frames pass as they are, edited ones are spliced. */
export function sameFormatWriter(format: Format, context: ReplyContext): StreamWriter {
  const closer = format.closer(context);
  return {
    write({ frame, texts }) {
      closer.left(frame);
      return texts === undefined ? frame.raw : frame.rewrite(texts);
    },
    finish: (reason) => closer.finish(reason),
    fail: (failure, requestId) => closer.fail(failure, requestId),
  };
}

/** The provider speaks another format: the client's is made from the events. */
export function translatingWriter(format: Format, context: ReplyContext): StreamWriter {
  const encoder = format.streamEncoder(context);
  const open = new Set<number>();
  const finished = new Set<number>();
  return {
    write({ frame, texts }) {
      const events = withTexts(frame.events, texts);
      for (const event of events) {
        if (event.type === 'finish') finished.add(event.choice);
        else if (event.type === 'text') open.add(event.lane.choice);
        else if (event.type === 'tool_start') open.add(event.choice);
      }
      return encoder.encode(events);
    },
    finish(reason) {
      if (open.size === 0) open.add(0);
      const events: ReplyEvent[] = [];
      for (const choice of open) if (!finished.has(choice)) events.push({ type: 'finish', choice, reason });
      events.push({ type: 'end' });
      return encoder.encode(events);
    },
    fail: (failure) => encoder.encode([{ type: 'error', failure }]),
  };
}

/** The events of a frame with its texts replaced. */
export function withTexts(
  events: readonly ReplyEvent[],
  texts: readonly (string | undefined)[] | undefined,
): readonly ReplyEvent[] {
  if (texts === undefined) return events;
  let index = 0;
  return events.map((event) => {
    if (event.type !== 'text') return event;
    const text = texts[index];
    index += 1;
    return text === undefined ? event : { ...event, text };
  });
}
