/**
 * Stands in a fact tree where a value could not be computed. It is never "missing" and never "clear": a rule whose
 * outcome hinges on it is itself undecided, and its policy's `on_error` says what that means (deny, unless it says otherwise).
 */
export class Unable {
  readonly reason: string;

  constructor(reason: string) {
    this.reason = reason;
  }
}

/** The reason of a fact that was not asked for, since it could change nothing that is enforced. */
export const notAsked = 'not asked: it could not change what is enforced';

/**
 * Facts as a plain nested object: `{ llm: { model }, team: { tier }, rails: { pii: { found, types, count } } }`.
 * A missing name is an unknown value; `Unable` may stand at any depth.
 */
export interface FactTree {
  readonly [name: string]: unknown;
}
