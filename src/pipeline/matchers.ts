import type { PatternRef, StreamMatcher } from '../exchange/index.ts';
import { compileMatcher } from '../rails/index.ts';

/** Compiled matchers by what they look for. A program has few different sets, so each is compiled once. */
export class Matchers {
  readonly #byIdentity = new WeakMap<readonly PatternRef[], StreamMatcher>();
  readonly #byContent = new Map<string, StreamMatcher>();

  /** The matcher for these patterns; the same list, or one that says the same, gives the same matcher. */
  of(patterns: readonly PatternRef[]): StreamMatcher {
    const known = this.#byIdentity.get(patterns);
    if (known !== undefined) return known;
    const content = JSON.stringify(patterns);
    let matcher = this.#byContent.get(content);
    if (matcher === undefined) {
      matcher = compileMatcher(patterns);
      this.#byContent.set(content, matcher);
    }
    this.#byIdentity.set(patterns, matcher);
    return matcher;
  }
}
