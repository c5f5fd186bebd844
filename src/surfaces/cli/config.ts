import { type Arguments, readArguments } from './arguments.ts';
import { CannotRun, type Command, type CommandContext, exit, UsageError } from './command.ts';
import { type FileProblem, type LoadedSettings, schemaNames } from './ports.ts';
import { noSuchVerb } from './verbs.ts';

export const config: Command = {
  name: 'config',
  summary: 'Check, print or describe the configuration',
  usage: `  llm-policy config check     every problem of the configuration, its providers and policies, with its place
  llm-policy config print     the settings in force, defaults filled in, secrets as [secret]
  llm-policy config schema [gateway|pdp|provider|policy]
                              the JSON Schema of gateway.yaml, of pdp.yaml, of a provider's file or of a policy`,
  async run(context) {
    const { positionals }: Arguments<Record<never, never>> = readArguments(context.args, {});
    const [verb, ...more] = positionals;
    const extra = verb === 'schema' ? more[1] : more[0];
    if (extra !== undefined) throw new UsageError(`'config ${verb}' takes no '${extra}'`);
    switch (verb) {
      case 'check':
        return check(context, await context.ports.loadSettings(context.config));
      case 'print':
        return print(context, await context.ports.loadSettings(context.config));
      case 'schema':
        return await schema(context, more[0] ?? 'gateway');
      default:
        throw noSuchVerb('config', verb, ['check', 'print', 'schema']);
    }
  },
};

async function schema({ out, ports }: CommandContext, name: string): Promise<number> {
  const known = schemaNames.find((one) => one === name);
  if (known === undefined) throw new UsageError(`there is no schema '${name}': ${schemaNames.join(', ')}`);
  out.print(await ports.configSchemaText(known));
  return exit.fine;
}

function check({ out, json }: CommandContext, { problems }: LoadedSettings): number {
  if (json) out.json({ ok: problems.length === 0, problems });
  else if (problems.length === 0) out.print('The configuration is fine.');
  else for (const problem of problems) out.print(fileProblemText(problem));
  return problems.length === 0 ? exit.fine : exit.found;
}

function print({ out }: CommandContext, { problems, printable }: LoadedSettings): number {
  if (problems.length > 0) throw new CannotRun(problems.map(fileProblemText).join('\n'));
  out.print(JSON.stringify(printable, null, 2));
  return exit.fine;
}

/** `file:line:column: message`. */
export function fileProblemText({ file, line, column, message, suggestion }: FileProblem): string {
  const place = line === undefined || line === 0 ? file : `${file}:${line}:${column ?? 1}`;
  return `${place}: ${message}${suggestion === undefined ? '' : `; did you mean '${suggestion}'?`}`;
}
