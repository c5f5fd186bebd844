/** Every kind of attack the rules can name; obfuscations have types of their own. `resembles_attack`
 * is the n-gram model's: no rule knows the words, but known attacks use them. */
export const attackTypes = [
  'override_instructions',
  'reveal_prompt',
  'jailbreak_persona',
  'unrestricted_mode',
  'refusal_suppression',
  'delimiter_forgery',
  'exfiltration',
  'tool_hijack',
  'encoded_instructions',
  'resembles_attack',
] as const;

export type AttackType = (typeof attackTypes)[number];

/**
 * Evidence for an attack. A pattern is a sequence of words with the distance allowed between them:
 *
 * - `word` exactly this word; `word+` also its forms in -s, -ed and -ing; `@name` any term of a class (`terms.ts`);
 *   `[a|b c|@d]` any of these, where a term may be several words;
 * - `_3` before an element: up to three words may stand between it and the one before (none, where nothing is said);
 * - `^` at the beginning: only where a sentence or clause begins, the place of an imperative.
 *
 * Patterns are read by an automaton of our own in linear time; there are no expressions in them.
 */
export interface Rule {
  readonly name: string;
  readonly type: AttackType;
  /** Log-odds this evidence adds; negative evidence (talk about attacks) takes away. */
  readonly weight: number;
  readonly patterns: readonly string[];
  /** Counts only in text that came from outside (tool results, retrieved documents). */
  readonly outsideOnly?: boolean;
}
