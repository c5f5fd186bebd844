import type { Lane, Span, StreamMatcher } from '../exchange/index.ts';

/** A whole text after redaction, or why it could not be judged. `text` is the very same string where nothing matched. */
export type Redacted =
  | { readonly outcome: 'redacted'; readonly text: string; readonly spans: readonly Span[] }
  | { readonly outcome: 'unable'; readonly reason: string };

/** Index of the first span that ends after `offset`. Spans are ordered and disjoint. */
function firstEndingAfter(spans: readonly Span[], offset: number): number {
  let low = 0;
  let high = spans.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const span = spans[middle];
    if (span !== undefined && span.end <= offset) low = middle + 1;
    else high = middle;
  }
  return low;
}

/**
 * What may leave of the piece `text`, which stands at `laneOffset` of its lane and is decided to its end: a span's
 * placeholder stands in the piece that holds the span's first unit, the rest of the span is swallowed wherever it
 * falls. Returns `text` itself where no span touches it. The caller escapes placeholders (JSON) and quotes those of
 * spans marked `quote`.
 */
export function applySpans(
  text: string,
  laneOffset: number,
  spans: readonly Span[],
  placeholderFor: (span: Span) => string,
): string {
  const pieceEnd = laneOffset + text.length;
  let index = firstEndingAfter(spans, laneOffset);
  let kept = '';
  let from = laneOffset;
  for (; index < spans.length; index += 1) {
    const span = spans[index];
    if (span === undefined || span.start >= pieceEnd) break;
    if (span.start > from) kept += text.slice(from - laneOffset, span.start - laneOffset);
    if (span.start >= laneOffset) kept += placeholderFor(span);
    from = Math.min(span.end, pieceEnd);
  }
  if (from === laneOffset) return text;
  return kept + text.slice(from - laneOffset);
}

/**
 * Redacts a whole text as one lane. By the matcher's law the result equals what leaves when the same text is fed in
 * any pieces.
 */
export function redactText(
  text: string,
  matcher: StreamMatcher,
  lane: Pick<Lane, 'channel'>,
  placeholderFor: (span: Span) => string,
): Redacted {
  const following = matcher.lane(lane, true);
  following.feed(text);
  following.finish();
  if (following.unable !== undefined) return { outcome: 'unable', reason: following.unable };
  return { outcome: 'redacted', text: applySpans(text, 0, following.spans, placeholderFor), spans: following.spans };
}
