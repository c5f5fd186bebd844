import type { Lane, LaneMatcher } from '../exchange/index.ts';

/** A run of text followed by the matcher, with what was said of its spans. */
export class FollowedText {
  readonly lane: Lane;
  readonly matcher: LaneMatcher;
  /** UTF-16 units given to the matcher, and how many of them are final. */
  fed = 0;
  decided = 0;
  finished = false;
  /** Spans already looked at, and how many patterns the last of them held then. */
  judged = 0;
  merged = 0;
  /** What replaces the span of the same index; undefined leaves its text. */
  readonly placeholders: (string | undefined)[] = [];
  constructor(lane: Lane, matcher: LaneMatcher) {
    this.lane = lane;
    this.matcher = matcher;
  }

  feed(text: string): void {
    this.fed += text.length;
    this.decided = this.matcher.feed(text);
  }

  finish(): void {
    this.finished = true;
    this.decided = this.matcher.finish();
  }
}

/** A piece of text as one follower sees it: where it begins there. */
interface View {
  readonly of: FollowedText;
  readonly start: number;
}

/** A text of a frame, with everybody who follows it. */
export class Piece {
  readonly text: string;
  readonly #views: View[] = [];

  constructor(text: string) {
    this.text = text;
  }

  /** Lets one more follow it. */
  follow(of: FollowedText): void {
    this.#views.push({ of, start: of.fed });
    of.feed(this.text);
  }

  get decided(): boolean {
    return this.#views.every(({ of, start }) => of.decided >= start + this.text.length);
  }

  /** The text without what is redacted in it; undefined where nothing is. A placeholder stands at its match's start. */
  edited(): string | undefined {
    const cuts: Cut[] = [];
    for (const view of this.#views) if (view.of.judged > 0) cutsIn(view, this.text.length, cuts);
    if (cuts.length === 0) return undefined;
    if (this.#views.length > 1) cuts.sort((a, b) => a.from - b.from);
    let result = '';
    let kept = 0;
    for (const { from, to, placeholder } of cuts) {
      // What overlaps an earlier cut only makes it longer; of one that began in an earlier piece, the placeholder is there.
      if (from >= kept) result += this.text.slice(kept, from) + placeholder;
      kept = Math.max(kept, to);
    }
    return result + this.text.slice(kept);
  }
}

interface Cut {
  /** Below zero where it began in an earlier piece. */
  readonly from: number;
  readonly to: number;
  readonly placeholder: string;
}

/** What is taken out of a piece's text, in its own offsets. */
function cutsIn({ of, start }: View, length: number, cuts: Cut[]): void {
  const { spans } = of.matcher;
  for (let index = firstEndingAfter(of, start); index < of.judged; index += 1) {
    const span = spans[index];
    if (span === undefined || span.start >= start + length) break;
    const placeholder = of.placeholders[index];
    if (placeholder === undefined) continue;
    cuts.push({ from: span.start - start, to: Math.min(length, span.end - start), placeholder });
  }
}

/** Spans are ordered and disjoint, so a binary search finds the first that ends after `start`. */
function firstEndingAfter({ matcher: { spans } }: FollowedText, start: number): number {
  let low = 0;
  let high = spans.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    const span = spans[middle];
    if (span !== undefined && span.end <= start) low = middle + 1;
    else high = middle;
  }
  return low;
}
