import { randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { evaluateWith, type FactTree, type Program } from '../../policy/index.ts';
import { type Arguments, readArguments } from './arguments.ts';
import { CannotRun, type Command, type CommandContext, exit, UsageError } from './command.ts';
import { givenPolicies, libraryOption, libraryUsage } from './given-policies.ts';
import { problemsOf, tellProblems } from './policy-files.ts';
import type { PolicyPlace } from './ports.ts';

const options = {
  context: { type: 'string' },
  default: { type: 'string' },
  ...libraryOption,
} as const;

const usage = `  llm-policy evaluate FILE|DIRECTORY... --context JSON [--default allow|deny] [--library FILE|DIRECTORY]
  llm-policy evaluate --context JSON --config FILE

  --context   the facts of a request: JSON, @FILE, or - for standard input
  --default   what holds where no rule matched (default: as the configuration says, or deny)
${libraryUsage}

  Exits with 1 when the request is denied.`;

export const evaluate: Command = {
  name: 'evaluate',
  summary: 'Decide on a request by policies',
  usage,
  run: withPolicies,
};

async function withPolicies(context: CommandContext): Promise<number> {
  const { values, positionals }: Arguments<typeof options> = readArguments(context.args, options);
  if (positionals.length === 0 && context.config === undefined)
    throw new UsageError("'evaluate' needs a file or a directory");
  if (values.context === undefined) throw new UsageError("'evaluate' needs --context");
  const wanted = values.default;
  if (wanted !== undefined && wanted !== 'allow' && wanted !== 'deny')
    throw new UsageError('--default is allow or deny');
  const facts = await contextOf(values.context, context, 'facts');
  const given = await givenPolicies(context, positionals, values.library);
  const { problems } = given;
  if (problems.length > 0) return tellProblems(context, problems);
  try {
    const fallback = wanted ?? given.default ?? 'deny';
    return await decided(context, given.program({ default: fallback }), given.places, facts);
  } catch (error) {
    return tellProblems(context, problemsOf(error));
  }
}

async function decided(
  { out, json, ports }: CommandContext,
  program: Program,
  places: readonly PolicyPlace[],
  facts: FactTree,
): Promise<number> {
  const clock = { now: Date.now, elapsed: () => performance.now() };
  const modules = await ports.openModules(program, places);
  const response = await evaluateWith(program, facts, { requestId: `eval-${randomUUID()}`, clock, modules });
  await modules?.close();
  const { decision } = response;
  if (json) out.json(response);
  else {
    out.print(`${decision.decision}: ${decision.reason}`);
    if (decision.determining.length > 0) out.print(`by ${decision.determining.join(', ')}`);
    for (const warning of decision.warnings) out.print(`warning: ${warning}`);
    for (const { rule, fact, reason } of [...decision.unable, ...decision.errors]) {
      out.print(`undecided: ${rule}: ${fact}: ${reason}`);
    }
  }
  return decision.allowed ? exit.fine : exit.found;
}

/** What `--context` gives: JSON, `@FILE`, or `-` for standard input. @throws UsageError where it is no JSON object */
export async function contextOf(given: string, { cwd, input }: CommandContext, what: string): Promise<FactTree> {
  const text =
    given === '-' ? await input() : given.startsWith('@') ? await fileText(resolve(cwd, given.slice(1))) : given;
  let facts: unknown;
  try {
    facts = JSON.parse(text);
  } catch (error) {
    throw new UsageError(`--context is not JSON: ${(error as Error).message}`);
  }
  if (typeof facts !== 'object' || facts === null || Array.isArray(facts)) {
    throw new UsageError(`--context is a JSON object of ${what}`);
  }
  return facts as FactTree;
}

async function fileText(path: string): Promise<string> {
  return await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    throw new CannotRun(`${path} cannot be read (${error.code})`);
  });
}
