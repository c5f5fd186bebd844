import { type Evaluated, evaluateExpression } from '../../policy/index.ts';
import { readArguments } from './arguments.ts';
import { type Command, type CommandContext, exit, UsageError } from './command.ts';
import { contextOf } from './evaluate.ts';

const options = {
  context: { type: 'string' },
  lines: { type: 'boolean' },
  typed: { type: 'boolean' },
} as const;

export const evalExpression: Command = {
  name: 'eval',
  summary: 'Compute an expression',
  usage: `  llm-policy eval EXPRESSION [--context JSON] [--typed]
  llm-policy eval --lines [--typed]

  --context   values by name: JSON, @FILE, or - for standard input
  --lines     read JSON lines {"expr": "...", "bindings": {name: value}} and answer each with a line: a value, or
              {"error": {"message": ...}}
  --typed     values are {"type": "int", "value": "3"} both ways, and the language is standard CEL to the letter;
              without it numbers are one kind, as in policies

  Exits with 1 when the expression has no value; with --lines, only when there is nothing to read.`,
  async run(context) {
    const { values, positionals } = readArguments(negativeLast(context.args), options);
    const typed = values.typed === true;
    if (values.lines === true) {
      if (positionals.length > 0 || values.context !== undefined)
        throw new UsageError("'eval --lines' reads its expressions and values from the lines");
      return await eachLine(context, typed);
    }
    const [expression, ...more] = positionals;
    if (expression === undefined || more.length > 0) throw new UsageError("'eval' needs one expression, in quotes");
    const bindings = values.context === undefined ? {} : await contextOf(values.context, context, 'values by name');
    return tell(context, evaluateExpression(expression, bindings, { typed }), typed);
  },
};

// An expression may start with a sign, and is no option then.
function negativeLast(args: readonly string[]): readonly string[] {
  const at = args.includes('--') ? -1 : args.findIndex((arg) => /^-[\d.(\s]/.test(arg));
  return at < 0 ? args : [...args.slice(0, at), ...args.slice(at + 1), '--', args[at] ?? ''];
}

function tell({ out, json }: CommandContext, evaluated: Evaluated, typed: boolean): number {
  if ('error' in evaluated) {
    if (json) out.json(evaluated);
    else out.error(evaluated.error.message);
    return exit.found;
  }
  const { value } = evaluated;
  if (json) out.json({ value });
  else if (typeof value === 'string' && !typed) out.print(value);
  else out.json(value);
  return exit.fine;
}

// Each line is answered before the next is waited for: whoever asks may be a program that reads the answers.
async function eachLine({ out, lines }: CommandContext, typed: boolean): Promise<number> {
  for await (const line of lines()) {
    if (line.trim() === '') continue;
    const answer = answerTo(line, typed);
    out.print(JSON.stringify('error' in answer ? answer : answer.value));
  }
  return exit.fine;
}

function answerTo(line: string, typed: boolean): Evaluated {
  let asked: unknown;
  try {
    asked = JSON.parse(line);
  } catch (error) {
    return { error: { message: `not JSON: ${(error as Error).message}` } };
  }
  const { expr, bindings = {} } = (typeof asked === 'object' && asked !== null ? asked : {}) as {
    readonly expr?: unknown;
    readonly bindings?: unknown;
  };
  if (typeof expr !== 'string') return { error: { message: 'a line is {"expr": "...", "bindings": {name: value}}' } };
  if (typeof bindings !== 'object' || bindings === null || Array.isArray(bindings))
    return { error: { message: 'bindings are values by name' } };
  return evaluateExpression(expr, bindings as Record<string, unknown>, { typed });
}
