import { type Clock, type EvaluateResponse, evaluateWith } from './evaluate.ts';
import { checkPolicy, parsePolicies } from './parse.ts';
import type { Policy } from './policy.ts';
import { PolicyError, wholeProblem } from './problem.ts';
import { compile, type Program } from './program.ts';
import type { FactTree } from './unable.ts';
import type { RunWasm } from './wasm-rule.ts';

export interface EvaluateRequest {
  readonly requestId?: string;
  /** Facts: `{ llm, user, team, project, request, metadata, ... }`. */
  readonly context: FactTree;
  /** Decide by these policies alone. */
  readonly policies?: readonly string[];
}

export interface EngineOptions {
  readonly policies?: readonly Policy[];
  /** Policies that others extend or include, and that decide nothing themselves. */
  readonly library?: readonly Policy[];
  /** What holds where no rule matched. Default deny. */
  readonly default?: 'allow' | 'deny';
  /** Keyed hash for prompts in `facts`. */
  readonly hashText?: (text: string) => string;
  /** Runs the modules of `wasm` rules. Without it they are undecided. */
  readonly runWasm?: RunWasm;
}

/** Reads policies from texts. */
export class PolicyParser {
  /** The one policy of a YAML text. @throws PolicyError with all problems, or where the text holds several. */
  parseYaml(text: string, file = 'policy.yaml'): Policy {
    const [policy, ...more] = parsePolicies(text, { file });
    if (policy === undefined || more.length > 0)
      throw new PolicyError([wholeProblem(file, 'the text holds several policies; use parseAll')]);
    return policy;
  }

  /** The one policy of a JSON text. @throws PolicyError */
  parseJson(text: string, file = 'policy.json'): Policy {
    return this.parseYaml(text, file);
  }

  /** All policies of a text. @throws PolicyError */
  parseAll(text: string, file = 'policy.yaml'): readonly Policy[] {
    return parsePolicies(text, { file });
  }
}

/** Policies held together, deciding on request facts. A change recompiles on the next evaluation. */
export class PolicyEngine {
  readonly #clock: Clock;
  readonly #options: EngineOptions;
  readonly #policies = new Map<string, Policy>();
  #program: Program | undefined;
  /** The set as it was compiled last: what did not change is not compiled again. */
  #previous: Program | undefined;
  #count = 0;

  constructor(clock: Clock, options: EngineOptions = {}) {
    this.#clock = clock;
    this.#options = options;
    for (const policy of options.policies ?? []) this.addPolicy(policy);
  }

  /** Adds a policy, or replaces the one of its namespace and id. @throws PolicyError where it is not valid. */
  addPolicy(policy: Policy): void {
    const checked = checkPolicy(policy);
    this.#policies.set(`${checked.metadata.namespace}/${checked.metadata.id}`, checked);
    this.#program = undefined;
  }

  /** Removes the policies of this id, in every namespace; whether there was one. */
  removePolicy(id: string): boolean {
    const keys = [...this.#policies].flatMap(([key, policy]) => (policy.metadata.id === id ? [key] : []));
    for (const key of keys) this.#policies.delete(key);
    if (keys.length > 0) this.#program = undefined;
    return keys.length > 0;
  }

  /** The policies held, highest priority first. */
  getPolicies(): readonly Policy[] {
    return [...this.#policies.values()].sort((a, b) => b.metadata.priority - a.metadata.priority);
  }

  /** The compiled set. @throws PolicyError where obligations of two policies conflict. */
  get program(): Program {
    this.#program ??= this.#compile([...this.#policies.values()], this.#previous);
    this.#previous = this.#program;
    return this.#program;
  }

  /** Decides on a request. @throws PolicyError where the set does not compile, or a policy asked for is not there. */
  async evaluate(request: EvaluateRequest): Promise<EvaluateResponse> {
    const program = request.policies === undefined ? this.program : this.#only(request.policies);
    this.#count++;
    const requestId = request.requestId ?? `eval-${this.#clock.now().toString(36)}-${this.#count.toString(36)}`;
    const { hashText, runWasm } = this.#options;
    const modules = runWasm === undefined ? undefined : { run: runWasm };
    return await evaluateWith(program, request.context, { requestId, clock: this.#clock, hashText, modules });
  }

  #only(ids: readonly string[]): Program {
    const policies = this.getPolicies().filter((policy) => ids.includes(policy.metadata.id));
    const missing = ids.filter((id) => !policies.some((policy) => policy.metadata.id === id));
    if (missing.length > 0)
      throw new PolicyError(missing.map((id) => wholeProblem('policies', `there is no policy ${id}`)));
    return this.#compile(policies);
  }

  #compile(policies: readonly Policy[], previous?: Program): Program {
    const { library, default: fallback = 'deny' } = this.#options;
    return compile(policies, { default: fallback, emptyAllowed: true, previous, ...(library && { library }) });
  }
}
