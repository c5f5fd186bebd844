import { parsePolicies } from './parse.ts';
import type { Policy } from './policy.ts';
import { PolicyError, type PolicyProblem } from './problem.ts';
import { type CompileOptions, compile, type Program } from './program.ts';

/** A file's text; `path` names it in messages. */
export interface PolicyText {
  readonly path: string;
  readonly text: string;
}

interface Parsed extends PolicyText {
  readonly policies: readonly Policy[];
}

/**
 * Policies whose texts are read again as they change. A text that is the same as last time keeps its parsed policies, and a
 * set most of which is the same keeps most of its program: one changed policy of ten thousand costs milliseconds.
 */
export class PolicyTexts {
  /** In the order they were given last. */
  #parsed: readonly Parsed[] = [];
  #program: Program | undefined;

  /**
   * The program of these texts, the same as if each had been parsed and all been compiled anew.
   * @throws PolicyError with the problems of all texts, or of the set. What was there before is kept for the next time.
   */
  program(texts: readonly PolicyText[], options: Omit<CompileOptions, 'previous'> = {}): Program {
    const { parsed, policies } = this.#read(texts);
    const program = compile(policies, { ...options, previous: this.#program });
    this.#parsed = parsed;
    this.#program = program;
    return program;
  }

  /**
   * The policies of these texts; those of a text that did not change are the same objects as last time.
   * @throws PolicyError with the problems of all texts. What was there before is kept for the next time.
   */
  policies(texts: readonly PolicyText[]): readonly Policy[] {
    const { parsed, policies } = this.#read(texts);
    this.#parsed = parsed;
    return policies;
  }

  #read(texts: readonly PolicyText[]): { readonly parsed: readonly Parsed[]; readonly policies: readonly Policy[] } {
    const last = this.#parsed;
    let byPath: ReadonlyMap<string, Parsed> | undefined;
    const parsed: Parsed[] = [];
    const problems: PolicyProblem[] = [];
    const policies: Policy[] = [];
    for (const { path, text } of texts) {
      // Nearly always in the place it had; after one that came or went it is looked for.
      let known = last[parsed.length];
      if (known?.path !== path) {
        byPath ??= new Map(last.map((one) => [one.path, one]));
        known = byPath.get(path);
      }
      try {
        const now = known?.text === text ? known : { path, text, policies: parsePolicies(text, { file: path }) };
        parsed.push(now);
        for (const policy of now.policies) policies.push(policy);
      } catch (thrown) {
        if (!(thrown instanceof PolicyError)) throw thrown;
        problems.push(...thrown.problems);
      }
    }
    if (problems.length > 0) throw new PolicyError(problems);
    return { parsed, policies };
  }
}
