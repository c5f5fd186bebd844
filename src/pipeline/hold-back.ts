import type { Channel, Frame, Lane, ReplyEvent, Span, StreamMatcher } from '../exchange/index.ts';
import type { Verdict } from '../policy/index.ts';
import { FollowedText, Piece } from './followed-text.ts';
import { HeldFrames, type Released } from './held-frames.ts';
import { JoinedText } from './joined-text.ts';
import { placeholder } from './placeholder.ts';
import { type PlanPart, strictestOf } from './plan-parts.ts';

/** Why a reply must end here. */
export type Stop =
  | { readonly kind: 'deny'; readonly verdict: Extract<Verdict, { effect: 'deny' }>; readonly span: Span }
  /** A match stands where nothing may be edited: signed reasoning, the name of a tool. */
  | { readonly kind: 'signed'; readonly span: Span }
  | { readonly kind: 'unable'; readonly reason: string }
  /** Text came after the provider had said that the choice is finished: nobody could judge it in its place. */
  | { readonly kind: 'grammar'; readonly reason: string };

export interface LaneFinding {
  readonly lane: Lane;
  readonly span: Span;
  readonly redacted: boolean;
}

/** How frames are held. */
export interface Holding {
  /** Nothing leaves before the reply is over. */
  readonly whole: boolean;
  /** The client gets all blocks of a reply as one text, whatever came between them. */
  readonly oneText: boolean;
  /** Most bytes of frames that wait at once: other choices may go on without end while one waits for its next piece. */
  readonly bytesMax: number;
}

const none: readonly FollowedText[] = [];
/** Each text that may go on has a memory of some kilobytes; no reply of a model has so many at once. */
const textsMax = 16_384;
/** Stands for a text that is over and has left: nothing of it needs to be remembered. */
const over = 'over';

/**
 * Holds frames back while their text may still become a match, releases them whole and in order, and edits those with
 * a match. The same code guards streams and plain replies (one frame), so both come out the same.
 */
export class HoldBack {
  readonly #matcher: StreamMatcher;
  readonly #plan: PlanPart;
  readonly #whole: boolean;
  readonly #oneText: boolean;
  readonly #bytesMax: number;
  /** By lane; `#open` are those that are not over. */
  #texts: (FollowedText | typeof over | undefined)[] | undefined;
  #open: FollowedText[] | undefined;
  /** By channel. */
  #joined: Map<Channel, JoinedText> | undefined;
  readonly #held = new HeldFrames();
  readonly #found: LaneFinding[] = [];
  readonly #foundJoined: LaneFinding[] = [];
  /** UTF-16 units of text judged. */
  scanned = 0;
  stop: Stop | undefined;

  /** `matcher` looks for the patterns of the plan. */
  constructor(matcher: StreamMatcher, plan: PlanPart, { whole, oneText, bytesMax }: Holding) {
    this.#matcher = matcher;
    this.#plan = plan;
    this.#whole = whole;
    this.#oneText = oneText;
    this.#bytesMax = bytesMax;
  }

  /** UTF-16 units fed and not yet decided, over all lanes. */
  get heldCharacters(): number {
    let held = 0;
    for (const text of this.#open ?? none) held += text.fed - text.decided;
    return held;
  }

  /** Every match so far. What a run found by itself is not told again by the whole it is part of. */
  get found(): readonly LaneFinding[] {
    if (this.#foundJoined.length === 0) return this.#found;
    const known = new Set(this.#found.map(placeOf));
    return [...this.#found, ...this.#foundJoined.filter((one) => !known.has(placeOf(one)))];
  }

  get holding(): boolean {
    return this.#held.bytes > 0;
  }

  /** Whether findings of this rail are searched for. */
  looksFor(rail: string): boolean {
    return this.#plan.patterns.some((pattern) => pattern.kind === 'rail' && pattern.rail === rail);
  }

  /**
   * Takes a frame and puts what may leave into `out`; without one the frame is only looked at. After `stop` is set nothing
   * leaves any more.
   */
  push(frame: Frame, out?: Released[]): void {
    if (this.stop !== undefined) return;
    if (frame.passes) {
      out?.push({ frame, texts: undefined });
      return;
    }
    let pieces: Piece[] | undefined;
    for (const event of frame.events) {
      const piece = this.#follow(event);
      if (piece !== undefined) {
        if (pieces === undefined) pieces = [piece];
        else pieces.push(piece);
      }
      if (this.stop !== undefined) return;
    }
    if (out === undefined) return;
    this.#held.push(frame, pieces, out);
    if (this.#held.bytes > this.#bytesMax)
      this.stop = { kind: 'unable', reason: `more than ${this.#bytesMax} bytes wait for a text to go on` };
  }

  /** The reply is over: everything is decided, everything leaves. */
  finish(out?: Released[]): void {
    if (this.stop !== undefined) return;
    this.#finishAll();
    if (this.stop === undefined && out !== undefined) this.#held.drain(out);
  }

  #finishAll(choice?: number): void {
    this.#endJoined();
    if (this.#open === undefined || this.#open.length === 0) return;
    for (const text of this.#open.slice()) if (choice === undefined || text.lane.choice === choice) this.#finish(text);
  }

  #follow(event: ReplyEvent): Piece | undefined {
    switch (event.type) {
      case 'text':
        return this.#text(event.lane, event.text);
      case 'lane_end':
        this.#endLane(event.lane);
        return undefined;
      case 'tool_start':
        if (!this.#oneText) this.#endJoined();
        return undefined;
      case 'finish':
        this.#finishAll(event.choice);
        return undefined;
      case 'end':
        this.#finishAll();
        return undefined;
      default:
        return undefined;
    }
  }

  #text(lane: Lane, text: string): Piece | undefined {
    const followed = this.#followed(lane);
    if (followed === over || followed.finished) {
      if (text.length > 0) this.stop = { kind: 'grammar', reason: 'text after the end of its choice' };
      return undefined;
    }
    if (this.#open !== undefined && this.#open.length > textsMax) {
      this.stop = { kind: 'unable', reason: `more than ${textsMax} texts go on at once` };
      return undefined;
    }
    const piece = new Piece(text, followed);
    this.scanned += text.length;
    this.#judge(followed);
    if (lane.joins || (this.#oneText && lane.signed && lane.channel === 'reasoning')) {
      const joined = this.#joinedFor(lane);
      joined.add(lane, piece);
      this.#judge(joined.text);
    } else if (!this.#oneText && lane.channel !== 'other') this.#endJoined();
    return piece;
  }

  #joinedFor(lane: Lane): JoinedText {
    this.#joined ??= new Map();
    const known = this.#joined.get(lane.channel);
    if (known !== undefined) return known;
    const joined = new JoinedText(this.#matcher, lane, this.#whole);
    this.#joined.set(lane.channel, joined);
    return joined;
  }

  #followed(lane: Lane): FollowedText | typeof over {
    const known = this.#texts?.[lane.slot];
    if (known !== undefined) return known;
    const same = this.#oneText ? this.#goneOnBy(lane) : undefined;
    const text = same ?? new FollowedText(lane, this.#matcher.lane(lane, this.#whole));
    // A list made with its one text reserves no room for more.
    if (this.#texts === undefined && lane.slot === 0) this.#texts = [text];
    else {
      this.#texts ??= [];
      this.#texts[lane.slot] = text;
    }
    if (same !== undefined) return same;
    if (this.#open === undefined) this.#open = [text];
    else this.#open.push(text);
    return text;
  }

  /** The text that a client of a format without refusals reads this one as the rest of. */
  #goneOnBy({ choice, channel, joins }: Lane): FollowedText | undefined {
    if (joins || (channel !== 'refusal' && channel !== 'content')) return undefined;
    return this.#open?.find(({ lane }) => {
      return lane.choice === choice && (lane.channel === 'refusal' || lane.channel === 'content');
    });
  }

  #finish(text: FollowedText): void {
    text.finish();
    const open = this.#open ?? [];
    if (open.at(-1) === text) open.pop();
    else if (open.includes(text)) open.splice(open.indexOf(text), 1);
    this.#judge(text);
  }

  #endLane(lane: Lane): void {
    const text = this.#followed(lane);
    if (text === over || text.finished) return;
    this.#finish(text);
    if (this.#texts !== undefined) this.#texts[lane.slot] = over;
  }

  /** Something else a client reads comes between: what follows is read apart. */
  #endJoined(): void {
    if (this.#joined === undefined) return;
    for (const { text } of this.#joined.values()) this.#finish(text);
    this.#joined = undefined;
  }

  /** Looks at spans that became final: each is denied, redacted or only noted. */
  #judge(text: FollowedText): void {
    const { matcher } = text;
    if (matcher.unable !== undefined) {
      this.stop = { kind: 'unable', reason: matcher.unable };
      return;
    }
    const { spans } = matcher;
    const last = text.judged === 0 ? undefined : spans[text.judged - 1];
    // The last one may have grown over what is denied since it was looked at.
    if (last !== undefined && last.merged.length !== text.merged) this.#look(text, last, text.judged - 1);
    for (; this.stop === undefined && text.judged < spans.length; text.judged += 1) {
      const span = spans[text.judged];
      if (span === undefined || span.start >= text.decided) return;
      this.#look(text, span, text.judged);
    }
  }

  #look(text: FollowedText, span: Span, index: number): void {
    const known = index < text.judged ? text.merged : 0;
    text.merged = span.merged.length;
    const verdict = strictestOf(this.#plan, span);
    const redacted = verdict.effect === 'redact';
    if (known === 0)
      text.placeholders[index] = redacted ? placeholder(verdict.with, span, text.lane.channel) : undefined;
    this.#note(text, span, known, redacted);
    if (verdict.effect === 'deny') this.stop = { kind: 'deny', verdict, span };
    else if (redacted && text.lane.signed) this.stop = { kind: 'signed', span };
  }

  /** Where several patterns met, each is found there. */
  #note(text: FollowedText, whole: Span, known: number, redacted: boolean): void {
    const own = this.#joined?.get(text.lane.channel);
    const joined = own?.text === text ? own : undefined;
    const { lane, span } = joined?.inRun(whole) ?? { lane: text.lane, span: whole };
    const found = joined === undefined ? this.#found : this.#foundJoined;
    for (const number of span.merged.slice(known)) {
      const pattern = this.#plan.patterns[number];
      if (number === span.pattern) found.push({ lane, span, redacted });
      else if (pattern?.kind === 'rail') {
        const { rail, type = rail } = pattern;
        found.push({ lane, span: { ...span, rail, type }, redacted });
      }
    }
  }
}

function placeOf({ lane, span }: LaneFinding): string {
  return `${lane.slot} ${span.start} ${span.rail} ${span.type}`;
}
