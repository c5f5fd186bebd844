import {
  type CompileOptions,
  compile,
  type Policy,
  PolicyError,
  type PolicyProblem,
  type Program,
} from '../../policy/index.ts';
import type { CommandContext } from './command.ts';
import { type PolicyText, parseTexts, placesOf, readPolicyTexts } from './policy-files.ts';
import type { InForce, PolicyPlace } from './ports.ts';

/** How commands are told what named policies are made of. */
export const libraryOption = { library: { type: 'string', multiple: true } } as const;

export const libraryUsage = `  --library   what the policies are made of (extends, include): files or directories, which are not looked at themselves
  --config    a configuration: its policies are the library, and without names what is looked at`;

/** Policies that a command looks at, with what they are made of. */
export interface GivenPolicies {
  readonly files: readonly PolicyText[];
  readonly policies: readonly Policy[];
  readonly library: readonly Policy[];
  /** Where all of them lie, for the modules beside them. */
  readonly places: readonly PolicyPlace[];
  /** Of those looked at. */
  readonly problems: readonly PolicyProblem[];
  /** What the configuration says where no rule matched; undefined where none was named. */
  readonly default: 'allow' | 'deny' | undefined;
  /** Compiled together, and checked against the configuration where one was named. @throws PolicyError */
  program(options: Pick<CompileOptions, 'default'>): Program;
}

/**
 * The named policies, and beside them what they may be made of: what `--library` names and, where a configuration is
 * named, the policies in its directory. Without names they are the configuration's. Rejects with `CannotRun`.
 */
export async function givenPolicies(
  context: CommandContext,
  names: readonly string[],
  library: readonly string[] = [],
): Promise<GivenPolicies> {
  const inForce = context.config === undefined ? undefined : await context.ports.inForce(context.config);
  const own = names.length === 0 ? (inForce?.policies ?? []) : await readPolicyTexts(names, context.cwd);
  const paths = new Set(own.map(({ path }) => path));
  const others = [
    ...(await readPolicyTexts(library, context.cwd)),
    ...(inForce === undefined ? [] : await readPolicyTexts([inForce.directory], context.cwd)),
  ].filter(({ path }) => !paths.has(path));
  const { policies, problems } = parseTexts(own);
  // What is wrong with one that nobody uses is nobody's matter here.
  const made = parseTexts(others).policies;
  return {
    files: own,
    policies,
    library: made,
    places: placesOf([...own, ...others]),
    problems,
    default: inForce?.default,
    program(options) {
      const told = context.config !== undefined || library.length > 0;
      try {
        const program = compile(policies, { ...options, library: made });
        const unknown = inForce?.unknownPlaces(program, own) ?? [];
        if (unknown.length > 0) throw new PolicyError(unknown);
        return program;
      } catch (thrown) {
        if (!(thrown instanceof PolicyError) || told) throw thrown;
        throw new PolicyError(thrown.problems.map(withAdvice));
      }
    },
  };
}

function withAdvice(problem: PolicyProblem): PolicyProblem {
  if (!problem.message.endsWith('there is no such policy')) return problem;
  return { ...problem, message: `${problem.message} among those named; --library or --config may name it` };
}

/** The program of the configuration, with what its policies are made of. Undefined where it does not compile. */
export function programInForce(inForce: InForce | undefined): Program | undefined {
  if (inForce === undefined) return undefined;
  const { policies, problems } = parseTexts(inForce.policies);
  if (problems.length > 0 || policies.length === 0) return undefined;
  return compile(policies, { default: inForce.default, library: parseTexts(inForce.library).policies });
}
