import type { Frame, Lane, LaneMatcher, ReplyEvent, Span, StreamMatcher } from '../exchange/index.ts';
import type { ResponsePlan, Verdict } from '../policy/index.ts';
import { placeholder } from './placeholder.ts';

/** A frame on its way out; `texts` are its new texts, one for each text event, where any changed. */
export interface Released {
  readonly frame: Frame;
  readonly texts: readonly (string | undefined)[] | undefined;
}

/** Why a reply must end here. */
export type Stop =
  | { readonly kind: 'deny'; readonly verdict: Extract<Verdict, { effect: 'deny' }>; readonly span: Span }
  /** A match stands in signed reasoning, which must not be edited. */
  | { readonly kind: 'signed'; readonly span: Span }
  | { readonly kind: 'unable'; readonly reason: string }
  /** Text came after the provider had said that the choice is finished: nobody could judge it in its place. */
  | { readonly kind: 'grammar'; readonly reason: string };

export interface LaneFinding {
  readonly lane: Lane;
  readonly span: Span;
  readonly redacted: boolean;
}

interface LaneState {
  readonly lane: Lane;
  readonly matcher: LaneMatcher;
  fed: number;
  decided: number;
  /** Spans already looked at. */
  judged: number;
  /** What replaces the span of the same index; undefined leaves its text. */
  readonly placeholders: (string | undefined)[];
  finished: boolean;
}

interface Piece {
  readonly state: LaneState;
  readonly start: number;
  readonly text: string;
}

interface Held {
  readonly frame: Frame;
  readonly pieces: readonly Piece[];
}

const nothing: readonly Piece[] = [];

/**
 * Holds frames back while their text may still become a match, releases them whole and in order, and edits those with
 * a match. The same code guards streams and plain replies (one frame), so both come out the same.
 */
export class HoldBack {
  readonly #matcher: StreamMatcher;
  readonly #plan: ResponsePlan;
  readonly #lanes: (LaneState | undefined)[] = [];
  #queue: Held[] = [];
  readonly found: LaneFinding[] = [];
  /** UTF-16 units of text judged. */
  scanned = 0;
  stop: Stop | undefined;

  constructor(matcher: StreamMatcher, plan: ResponsePlan) {
    this.#matcher = matcher;
    this.#plan = plan;
  }

  /** UTF-16 units fed and not yet decided, over all lanes. */
  get heldCharacters(): number {
    let held = 0;
    for (const state of this.#lanes) if (state !== undefined) held += state.fed - state.decided;
    return held;
  }

  get holding(): boolean {
    return this.#queue.length > 0;
  }

  /** Takes a frame and puts what may leave into `out`. After `stop` is set nothing leaves any more. */
  push(frame: Frame, out: Released[]): void {
    if (this.stop !== undefined) return;
    if (frame.passes) {
      out.push({ frame, texts: undefined });
      return;
    }
    let pieces: Piece[] | undefined;
    for (const event of frame.events) {
      const piece = this.#follow(event);
      if (piece !== undefined) {
        pieces ??= [];
        pieces.push(piece);
      }
      if (this.stop !== undefined) return;
    }
    this.#queue.push({ frame, pieces: pieces ?? nothing });
    this.#drain(out);
  }

  /** The reply is over: everything is decided, everything leaves. */
  finish(out: Released[]): void {
    if (this.stop !== undefined) return;
    for (const state of this.#lanes) if (state !== undefined) this.#finishLane(state);
    if (this.stop === undefined) this.#drain(out);
  }

  #follow(event: ReplyEvent): Piece | undefined {
    switch (event.type) {
      case 'text': {
        const state = this.#lane(event.lane);
        if (state.finished) {
          if (event.text.length > 0) this.stop = { kind: 'grammar', reason: 'text after the end of its choice' };
          return undefined;
        }
        const start = state.fed;
        state.fed += event.text.length;
        this.scanned += event.text.length;
        state.decided = state.matcher.feed(event.text);
        this.#judge(state);
        return { state, start, text: event.text };
      }
      case 'lane_end':
        this.#finishLane(this.#lane(event.lane));
        return undefined;
      case 'finish':
        for (const state of this.#lanes) {
          if (state !== undefined && state.lane.choice === event.choice) this.#finishLane(state);
        }
        return undefined;
      case 'end':
        for (const state of this.#lanes) if (state !== undefined) this.#finishLane(state);
        return undefined;
      default:
        return undefined;
    }
  }

  #lane(lane: Lane): LaneState {
    const known = this.#lanes[lane.slot];
    if (known !== undefined) return known;
    const state: LaneState = {
      lane,
      matcher: this.#matcher.lane(lane),
      fed: 0,
      decided: 0,
      judged: 0,
      placeholders: [],
      finished: false,
    };
    this.#lanes[lane.slot] = state;
    return state;
  }

  #finishLane(state: LaneState): void {
    if (state.finished) return;
    state.finished = true;
    state.decided = state.matcher.finish();
    this.#judge(state);
  }

  /** Looks at spans that became final: each is denied, redacted or only noted. */
  #judge(state: LaneState): void {
    if (state.matcher.unable !== undefined) {
      this.stop = { kind: 'unable', reason: state.matcher.unable };
      return;
    }
    const { spans } = state.matcher;
    while (state.judged < spans.length) {
      const span = spans[state.judged];
      if (span === undefined || span.start >= state.decided) return;
      const verdict = this.#strictest(span);
      const redacted = verdict.effect === 'redact';
      this.found.push({ lane: state.lane, span, redacted });
      state.placeholders[state.judged] = redacted ? placeholder(verdict.with, span, state.lane.channel) : undefined;
      state.judged += 1;
      if (verdict.effect === 'deny') {
        this.stop = { kind: 'deny', verdict, span };
        return;
      }
      if (redacted && state.lane.signed) {
        this.stop = { kind: 'signed', span };
        return;
      }
    }
  }

  #strictest(span: Span): Verdict {
    let strictest = this.#verdict(span.pattern);
    for (const pattern of span.merged) {
      const verdict = this.#verdict(pattern);
      if (rank[verdict.effect] > rank[strictest.effect]) strictest = verdict;
    }
    return strictest;
  }

  #verdict(pattern: number): Verdict {
    const verdict = this.#plan.verdicts[pattern];
    if (verdict === undefined) throw new Error(`the matcher found a pattern (${pattern}) the plan does not have`);
    return verdict;
  }

  #drain(out: Released[]): void {
    let done = 0;
    for (const held of this.#queue) {
      if (!held.pieces.every((piece) => piece.state.decided >= piece.start + piece.text.length)) break;
      out.push({ frame: held.frame, texts: editedTexts(held.pieces) });
      done += 1;
    }
    if (done === this.#queue.length) this.#queue.length = 0;
    else if (done > 0) this.#queue.splice(0, done);
  }
}

const rank = { note: 0, redact: 1, deny: 2 } as const;

function editedTexts(pieces: readonly Piece[]): (string | undefined)[] | undefined {
  let texts: (string | undefined)[] | undefined;
  for (let index = 0; index < pieces.length; index += 1) {
    const piece = pieces[index];
    if (piece === undefined) continue;
    const text = pieceText(piece);
    if (text === undefined) continue;
    texts ??= new Array(pieces.length).fill(undefined);
    texts[index] = text;
  }
  return texts;
}

/** The text of a piece without what is redacted in it; undefined where nothing is. A placeholder stands at its match's start. */
function pieceText({ state, start, text }: Piece): string | undefined {
  const { spans } = state.matcher;
  const end = start + text.length;
  let kept = start;
  let result: string | undefined;
  for (let index = firstTouching(spans, start); index < state.judged; index += 1) {
    const span = spans[index];
    if (span === undefined || span.start >= end) break;
    const replacement = state.placeholders[index];
    if (replacement === undefined) continue;
    result ??= '';
    if (span.start >= start) result += text.slice(kept - start, span.start - start) + replacement;
    kept = Math.min(end, Math.max(kept, span.end));
  }
  return result === undefined ? undefined : result + text.slice(kept - start);
}

/** First span that ends after `start`: spans are ordered and disjoint, so a binary search finds it. */
function firstTouching(spans: readonly Span[], start: number): number {
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
