import type { LaneMatcher, Span, StreamMatcher } from '../../../src/exchange/index.ts';
import { applySpans } from '../../../src/rails/index.ts';

export const mark = (span: Span): string => `<${span.type}>`;

/** Feeds the pieces and gives out what may leave after each, as a guard does. */
export function released(
  matcher: StreamMatcher,
  channel: 'content' | 'tool_arguments',
  pieces: readonly string[],
  placeholder: (span: Span) => string = mark,
): string {
  const lane = matcher.lane({ channel });
  let text = '';
  let out = '';
  let left = 0;
  const leave = (until: number): void => {
    out += applySpans(text.slice(left, until), left, lane.spans, placeholder);
    left = until;
  };
  for (const piece of pieces) {
    text += piece;
    leave(lane.feed(piece));
  }
  leave(lane.finish());
  if (left !== text.length) throw new Error('the lane was not decided to its end');
  return out;
}

/** Where the lane stands after these pieces. */
export function fed(
  matcher: StreamMatcher,
  channel: 'content' | 'tool_arguments',
  pieces: readonly string[],
): LaneMatcher {
  const lane = matcher.lane({ channel });
  for (const piece of pieces) lane.feed(piece);
  return lane;
}

/** Cuts a text at these places (taken modulo its length). */
export function cutAt(text: string, places: readonly number[]): string[] {
  const cuts = [...new Set(places.map((place) => (text.length === 0 ? 0 : place % text.length)))].sort((a, b) => a - b);
  const pieces: string[] = [];
  let from = 0;
  for (const cut of cuts) {
    pieces.push(text.slice(from, cut));
    from = cut;
  }
  pieces.push(text.slice(from));
  return pieces;
}

export const inUnits = (text: string): string[] => Array.from({ length: text.length }, (_, i) => text[i] ?? '');
