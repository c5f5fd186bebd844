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

/** A text of a frame, with those who follow it: its own run, and the whole a client may read that run in. */
export class Piece {
  readonly text: string;
  /** Where it begins in each of them. */
  readonly #start: number;
  readonly #own: FollowedText;
  #whole: FollowedText | undefined;
  #wholeStart = 0;

  /** Feeds the text to its own run. */
  constructor(text: string, own: FollowedText) {
    this.text = text;
    this.#own = own;
    this.#start = own.fed;
    own.feed(text);
  }

  /** Feeds it to the whole as well. */
  join(whole: FollowedText): void {
    this.#whole = whole;
    this.#wholeStart = whole.fed;
    whole.feed(this.text);
  }

  get decided(): boolean {
    const { length } = this.text;
    if (this.#own.decided < this.#start + length) return false;
    return this.#whole === undefined || this.#whole.decided >= this.#wholeStart + length;
  }

  /** The text without what is redacted in it; undefined where nothing is. A placeholder stands at its match's start. */
  edited(): string | undefined {
    const whole = this.#whole;
    if (this.#own.judged === 0 && (whole === undefined || whole.judged === 0)) return undefined;
    const cuts: Cut[] = [];
    cutsIn(this.#own, this.#start, this.text.length, cuts);
    if (whole !== undefined) {
      cutsIn(whole, this.#wholeStart, this.text.length, cuts);
      cuts.sort((a, b) => a.from - b.from);
    }
    if (cuts.length === 0) return undefined;
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
function cutsIn(of: FollowedText, start: number, length: number, cuts: Cut[]): void {
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
