import type { Lane, Span, StreamMatcher } from '../exchange/index.ts';
import { FollowedText, type Piece } from './followed-text.ts';

/**
 * Several runs of text that a client reads as one (the text blocks of a reply), followed as one: a match may begin in
 * one and end in the next. Each run is followed by itself as well, since some clients show them apart.
 */
export class JoinedText {
  readonly text: FollowedText;
  /** The runs, and where each begins in the whole. */
  readonly #runs: { readonly lane: Lane; readonly from: number }[] = [];

  constructor(matcher: StreamMatcher, first: Lane, whole: boolean) {
    this.text = new FollowedText(first, matcher.lane(first, whole));
  }

  add(lane: Lane, piece: Piece): void {
    if (this.#runs.at(-1)?.lane !== lane) this.#runs.push({ lane, from: this.text.fed });
    piece.join(this.text);
  }

  /** A span of the whole as one of the run it begins in; its end may lie beyond that run. */
  inRun(span: Span): { readonly lane: Lane; readonly span: Span } {
    const { lane, from } = this.#runs.findLast((run) => run.from <= span.start) ?? { lane: this.text.lane, from: 0 };
    return { lane, span: { ...span, start: span.start - from, end: span.end - from } };
  }
}
