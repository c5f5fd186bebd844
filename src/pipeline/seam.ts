import type { Lane, Span, StreamMatcher } from '../exchange/index.ts';
import { FollowedText, type Piece } from './followed-text.ts';

/**
 * Two runs of content a client reads as one (text blocks of one reply): what the first ended in and might become a
 * match, and what follows it. Each run is followed by itself as well; the seam only finds what reaches over its border.
 */
export class Seam {
  readonly text: FollowedText;
  readonly #first: FollowedText;
  /** Where in the first run the seam begins, and where in the seam the second run does. */
  readonly #from: number;
  readonly #border: number;

  /** `tail` is the end of `first` from `from` on; `pieces` are those it stands in. */
  constructor(matcher: StreamMatcher, first: FollowedText, from: number, tail: string, pieces: readonly Piece[]) {
    this.text = new FollowedText(first.lane, matcher.lane(first.lane));
    this.#first = first;
    this.#from = from;
    this.#border = tail.length;
    for (const piece of pieces) {
      const own = piece.views[0];
      if (own !== undefined) piece.views.push({ of: this.text, start: own.start - from });
    }
    this.text.feed(tail);
  }

  /** Whether a text of this lane goes on where the first run ended; `undefined`: no client reads it in between. */
  continues({ channel, choice }: Lane): boolean | undefined {
    if (channel === 'other') return undefined;
    return channel === this.text.lane.channel && choice === this.text.lane.choice;
  }

  add(piece: Piece): void {
    piece.views.push({ of: this.text, start: this.text.fed });
    this.text.feed(piece.text);
  }

  /** Nothing that began before the border is open any more. */
  get settled(): boolean {
    const last = this.text.matcher.spans.findLast((span) => span.start < this.#border);
    return this.text.decided >= this.#border && last?.open !== true;
  }

  /** What does not reach over the border is each run's own to find. */
  reaches({ start, end, open }: Span): boolean {
    return start < this.#border && (end > this.#border || open);
  }

  /** The span in the offsets of the first run; undefined where that run found it by itself. */
  inFirst(span: Span): Span | undefined {
    const start = this.#from + span.start;
    if (this.#first.matcher.spans.some((own) => own.start <= start && start < own.end)) return undefined;
    return { ...span, start, end: this.#from + span.end };
  }
}
