import { parsePolicies } from './parse.ts';
import type { Policy } from './policy.ts';
import { PolicyError, type PolicyProblem } from './problem.ts';

/** A file's text; `path` names it in messages. */
export interface PolicyText {
  readonly path: string;
  readonly text: string;
  /** Its policies are not in force; others may be made of them. */
  readonly library?: boolean;
}

/** What texts hold: policies in force, and those that they may be made of. */
export interface ReadPolicies {
  readonly policies: readonly Policy[];
  readonly library: readonly Policy[];
}

interface Parsed {
  readonly path: string;
  readonly text: string;
  readonly policies: readonly Policy[];
}

/**
 * Policies whose texts are read again as they change. A text that is the same as last time keeps its parsed policies, which
 * are the same objects: what is compiled from them keeps most of its program, so that one changed policy of ten thousand
 * costs milliseconds.
 */
export class PolicyTexts {
  /** In the order they were given last. */
  #last: readonly Parsed[] = [];

  /**
   * The policies of these texts. What is wrong with a library's text matters to nobody: its policies are left out, and who
   * is made of them does not compile.
   * @throws PolicyError with the problems of all texts in force. What was there before is kept for the next time.
   */
  read(texts: readonly PolicyText[]): ReadPolicies {
    const last = this.#last;
    let byPath: ReadonlyMap<string, Parsed> | undefined;
    const parsed: Parsed[] = [];
    const problems: PolicyProblem[] = [];
    const policies: Policy[] = [];
    const others: Policy[] = [];
    for (const { path, text, library = false } of texts) {
      // Nearly always in the place it had; after one that came or went it is looked for.
      let known = last[parsed.length];
      if (known?.path !== path) {
        byPath ??= new Map(last.map((one) => [one.path, one]));
        known = byPath.get(path);
      }
      try {
        const now = known?.text === text ? known : { path, text, policies: parsePolicies(text, { file: path }) };
        parsed.push(now);
        const into = library ? others : policies;
        for (const policy of now.policies) into.push(policy);
      } catch (thrown) {
        if (!(thrown instanceof PolicyError)) throw thrown;
        if (!library) problems.push(...thrown.problems);
      }
    }
    if (problems.length > 0) throw new PolicyError(problems);
    this.#last = parsed;
    return { policies, library: others };
  }
}
