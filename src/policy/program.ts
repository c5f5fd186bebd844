import { resolvePolicies } from './compose.ts';
import type { Needs } from './needs.ts';
import { checkPolicy } from './parse.ts';
import type { PhaseTable } from './phase-table.ts';
import type { Phase, Policy } from './policy.ts';
import { PolicyError, wholeProblem } from './problem.ts';
import { programId } from './program-id.ts';
import { changedParts, isComposed, type Parts, type PolicySummary, partsOf } from './program-parts.ts';

export type { PolicySummary } from './program-parts.ts';

export interface CompileOptions {
  /** What holds where no rule matched. The engine's own default is deny. */
  readonly default?: 'allow' | 'deny';
  /** Most bytes of a reply that is held whole for `stream: buffer`; over it the reply is refused. Default 4 MiB. */
  readonly bufferBytesMax?: number;
  /** A set without policies is an error unless this says otherwise: a vanished mount must not mean allow. */
  readonly emptyAllowed?: boolean;
  /**
   * A program that most of these policies, the same objects, are compiled in: only the others are compiled, and its tables
   * are changed where they differ. The result is the same as without it.
   */
  readonly previous?: Program | undefined;
  /** Policies that others extend or include, and that are not in force themselves. */
  readonly library?: readonly Policy[];
}

/** Policies compiled together. Immutable; the same content has the same id, in whatever order it was given. */
export interface Program {
  /** `sha256:...` of the canonical content. */
  readonly id: string;
  readonly policies: readonly PolicySummary[];
  readonly default: 'allow' | 'deny';
  /** The facts and rails the rules of a phase read. */
  needs(phase: Phase): Needs;
  /** Whether any rule is of this phase. */
  has(phase: Phase): boolean;
}

export class CompiledProgram implements Program {
  readonly id: string;
  readonly default: 'allow' | 'deny';
  readonly bufferBytesMax: number;
  readonly tables: Readonly<Record<Phase, PhaseTable>>;
  readonly parts: Parts;
  /** Whether none of its policies was made of others. */
  readonly plain: boolean;
  #policies: readonly PolicySummary[] | undefined;

  constructor(parts: Parts, options: CompileOptions, plain: boolean) {
    this.id = programId(parts.hash, parts.default);
    this.default = parts.default;
    this.bufferBytesMax = options.bufferBytesMax ?? 4 * 1024 * 1024;
    this.tables = parts.tables;
    this.parts = parts;
    this.plain = plain;
  }

  get policies(): readonly PolicySummary[] {
    this.#policies ??= Object.freeze(this.parts.members.map(({ summary }) => summary));
    return this.#policies;
  }

  needs(phase: Phase): Needs {
    return this.tables[phase].needs;
  }

  has(phase: Phase): boolean {
    return this.tables[phase].rules.length > 0;
  }
}

/** The inside of a program, for this room. */
export function inside(program: Program): CompiledProgram {
  if (program instanceof CompiledProgram) return program;
  throw new TypeError('a program comes from compile()');
}

/**
 * Compiles a set of policies. Order of the list plays no part: rules go by priority, namespace, id, position.
 * Policies that are `draft` or `disabled`, and rules with `enabled: false`, are listed and not considered.
 * @throws PolicyError where the set is empty, an id stands twice in a namespace, or obligations conflict.
 */
export function compile(policies: readonly Policy[], options: CompileOptions = {}): Program {
  if (policies.length === 0 && options.emptyAllowed !== true)
    throw new PolicyError([wholeProblem('policies', 'the policy set is empty')]);
  const fallback = options.default ?? 'deny';
  const before = options.previous === undefined ? undefined : inside(options.previous);
  // In a set of which none was made of others only what is new may be: looking at all of ten thousand takes longer.
  const changed = before?.plain === true ? changedParts(before.parts, policies, fallback) : undefined;
  if (changed !== undefined) return new CompiledProgram(changed, options, true);
  const whole = composed(policies, options.library);
  const plain = whole === policies;
  const same =
    before === undefined || (before.plain && plain) ? undefined : changedParts(before.parts, whole, fallback);
  return new CompiledProgram(same ?? partsOf(whole, fallback), options, plain);
}

/** What policies are made of, put in its place; a set in which none is made of others stays as it is. */
function composed(policies: readonly Policy[], library: readonly Policy[] = []): readonly Policy[] {
  return !policies.some(isComposed) ? policies : resolvePolicies(policies.map(checkPolicy), library.map(checkPolicy));
}
