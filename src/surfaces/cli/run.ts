import { nearest } from '../../policy/index.ts';
import { CannotRun, type Command, type CommandContext, exit, UsageError } from './command.ts';

/** Everything of a command's context that is the same for all of them. */
export type World = Omit<CommandContext, 'args' | 'json' | 'config'>;

interface Globals {
  readonly json: boolean;
  readonly help: boolean;
  readonly config: string | undefined;
  readonly rest: readonly string[];
}

/** Runs a command line (without the program's name) and resolves to its exit code. Never rejects. */
export async function runCommandLine(
  args: readonly string[],
  commands: readonly Command[],
  version: string,
  world: World,
): Promise<number> {
  let json = false;
  try {
    const globals = takeGlobals(args);
    json = globals.json;
    const [name, ...rest] = globals.rest;
    if (name === '--version') {
      world.out.print(version);
      return exit.fine;
    }
    const asked = name === 'help' ? rest[0] : name;
    if (asked === undefined) {
      world.out.print(overview(commands));
      return globals.help || name === 'help' ? exit.fine : exit.usage;
    }
    if (asked.startsWith('-')) throw new UsageError(`there is no option '${asked}'; a command comes first`);
    const command = find(asked, commands);
    if (globals.help || name === 'help') {
      world.out.print(usageText(command));
      return exit.fine;
    }
    const config = globals.config ?? (world.env.LLM_POLICY_CONFIG || undefined);
    return await command.run({ ...world, args: rest, json, config });
  } catch (error) {
    return told(error, json, world);
  }
}

/** `--json`, `--config FILE` and `--help` mean the same anywhere on the line; what follows `--` is left alone. */
function takeGlobals(args: readonly string[]): Globals {
  const end = args.includes('--') ? args.indexOf('--') : args.length;
  const rest: string[] = [];
  let json = false;
  let help = false;
  let config: string | undefined;
  for (let at = 0; at < end; at += 1) {
    const arg = args[at] ?? '';
    if (arg === '--json') json = true;
    else if (arg === '--help' || arg === '-h') help = true;
    else if (arg.startsWith('--config=')) config = arg.slice('--config='.length);
    else if (arg === '--config') {
      at += 1;
      if (at >= end) throw new UsageError("'--config' needs a file");
      config = args[at];
    } else rest.push(arg);
  }
  return { json, help, config, rest: [...rest, ...args.slice(end)] };
}

function find(name: string, commands: readonly Command[]): Command {
  const command = commands.find((one) => one.name === name);
  if (command !== undefined) return command;
  const meant = nearest(
    name,
    commands.map((one) => one.name),
  );
  const hint = meant === undefined ? "; 'llm-policy --help' lists them" : `; did you mean '${meant}'?`;
  throw new UsageError(`there is no command '${name}'${hint}`);
}

function told(error: unknown, json: boolean, world: World): number {
  const usage = error instanceof UsageError;
  const message = error instanceof Error ? error.message : String(error);
  if (json) world.out.json({ error: { message, kind: usage ? 'usage' : 'failed' } });
  else world.out.error(`llm-policy: ${message}`);
  if (!usage && !(error instanceof CannotRun) && world.env.LLM_POLICY_DEBUG && error instanceof Error) {
    world.out.error(error.stack ?? '');
  }
  return usage ? exit.usage : exit.failed;
}

const globalOptions = `Options of every command:
  --config FILE   the configuration (default: config/gateway.yaml, or LLM_POLICY_CONFIG)
  --json          JSON for programs
  -h, --help      this text

Exit codes: 0 fine, 1 found something, 2 used wrongly, 3 could not run.`;

function overview(commands: readonly Command[]): string {
  const width = Math.max(...commands.map(({ name }) => name.length));
  const lines = commands.map(({ name, summary }) => `  ${name.padEnd(width)}  ${summary}`);
  return `Usage: llm-policy COMMAND [ARGUMENTS]\n\nCommands:\n${lines.join('\n')}\n\n${globalOptions}`;
}

function usageText({ summary, usage }: Command): string {
  return `${summary}.\n\nUsage:\n${usage.trimEnd()}\n\n${globalOptions}`;
}
