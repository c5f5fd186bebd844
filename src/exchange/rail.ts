import type { Lane } from './event.ts';
import type { Passage } from './passage.ts';

/** What a rail found and where; never the value. */
export interface Finding {
  readonly rail: string;
  /** `card`, `iban`, `email`, `aws_access_key`, `override_instructions` ... */
  readonly type: string;
  /** UTF-16 offsets in the passage's or lane's text. */
  readonly start: number;
  readonly end: number;
  /** 0 to 1. */
  readonly score: number;
  /** Which view of the text it was found in: `plain`, `normalised`, `base64` ... */
  readonly view: string;
}

/** What a rail says of one piece of text. A check that cannot answer says `unable`, never `clear`. */
export type Measured =
  | { readonly outcome: 'findings'; readonly findings: readonly Finding[] }
  | { readonly outcome: 'clear' }
  | { readonly outcome: 'unable'; readonly reason: string };

/** Measures passages of a request. Pure: the same text gives the same answer. Never acts. */
export interface Rail {
  readonly name: string;
  /** Every type it can report. */
  readonly types: readonly string[];
  /** Makes what measuring takes, where that is dear: called when a program that needs the rail comes into force. */
  prepare?(): void;
  /** `types` limits the search to these; undefined means all. */
  measure(passage: Passage, types?: readonly string[]): Measured;
  /**
   * The same for a passage so long that `measure` would hold the event loop: each `next()` does a slice of about a
   * millisecond, the return value is the answer. Left out where `measure` is fast enough for any length.
   */
  measureSlices?(passage: Passage, types?: readonly string[]): Generator<void, Measured>;
}

/** One thing the streaming matcher looks for. */
export type PatternRef =
  /** All of a rail's patterns, or one type of it. Only rails with `streams: true` may be named. */
  | { readonly kind: 'rail'; readonly rail: string; readonly type?: string }
  | { readonly kind: 'literal'; readonly id: string; readonly text: string; readonly ignoreCase: boolean }
  /** RE2 syntax; refused at compile time where it is not, where it matches nothing at all, or where its automaton is too large. */
  | { readonly kind: 'expression'; readonly id: string; readonly source: string };

/** A match in a lane, final in its start and its pattern; `end` grows while `open`. Offsets count UTF-16 units from the lane's start. */
export interface Span {
  readonly start: number;
  /** Exclusive. Everything in [start, end) is withheld; while `open`, what follows may be withheld as well. */
  readonly end: number;
  readonly open: boolean;
  readonly rail: string;
  readonly type: string;
  /** Index into the patterns the matcher was compiled from (the leftmost match's, where several merged). */
  readonly pattern: number;
  /** All patterns whose matches were merged into this span, `pattern` first. */
  readonly merged: readonly number[];
  /** In tool arguments: the span replaces a whole JSON number, so the placeholder needs quotes. */
  readonly quote: boolean;
}

/**
 * Follows one lane. Character by character and so independent of chunking: what is decided after feeding a text does
 * not depend on how it was cut. `decided` is minimal: what can no longer be part of a match is decided at once.
 */
export interface LaneMatcher {
  /** Feed the next piece (may end in half a surrogate pair). Returns `decided`: every unit before it is final. */
  feed(text: string): number;
  /** Nothing more comes: decides everything. Returns the lane's length. */
  finish(): number;
  /** Spans found so far, ordered, disjoint. Only those starting before `decided` are final; kept for the lane's life. */
  readonly spans: readonly Span[];
  readonly decided: number;
  /** Why the lane cannot be judged (a limit was passed); once set, nothing further is ever decided. */
  readonly unable: string | undefined;
}

/** All active patterns of an output policy, compiled together. Immutable; shared by exchanges. */
export interface StreamMatcher {
  /**
   * `tool_arguments` lanes are matched inside their JSON scalars, on the unescaped text, with raw offsets in spans.
   * `whole`: nothing leaves before the lane is finished, so it may decide later than it could, but no span differs.
   */
  lane(lane: Pick<Lane, 'channel'>, whole?: boolean): LaneMatcher;
}
