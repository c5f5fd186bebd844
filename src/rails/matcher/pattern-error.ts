/** A pattern that cannot be compiled: not RE2 syntax, matches nothing or the empty text, too large, or unknown. */
export class PatternError extends Error {
  /** The id of the literal or expression, or `rail/type`. */
  readonly pattern: string;

  constructor(pattern: string, message: string) {
    super(`Pattern ${pattern}: ${message}`);
    this.name = 'PatternError';
    this.pattern = pattern;
  }
}
