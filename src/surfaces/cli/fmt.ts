import { writeFile } from 'node:fs/promises';
import { fmt as canonical } from '../../policy/index.ts';
import { readArguments } from './arguments.ts';
import { type Command, type CommandContext, exit, UsageError } from './command.ts';
import { type PolicyText, parseTexts, readPolicyTexts, tellProblems } from './policy-files.ts';

export const fmt: Command = {
  name: 'fmt',
  summary: 'Print policies in canonical form',
  usage: `  llm-policy fmt FILE|DIRECTORY... [--check | --write]

  --check   only name the files that differ, and exit with 1 when there are any
  --write   put the canonical form in each file's place; comments are not kept`,
  async run(context) {
    const { values, positionals } = readArguments(context.args, {
      check: { type: 'boolean' },
      write: { type: 'boolean' },
    } as const);
    if (positionals.length === 0) throw new UsageError("'fmt' needs a file or a directory");
    if (values.check === true && values.write === true) throw new UsageError('give --check or --write, not both');
    const texts = await readPolicyTexts(positionals, context.cwd);
    const { problems } = parseTexts(texts);
    if (problems.length > 0) return tellProblems(context, problems);
    const files = texts.map((file) => ({ ...file, canonical: canonicalText(file) }));
    if (values.check !== true && values.write !== true) {
      print(context, files);
      return exit.fine;
    }
    const differ = files.filter((file) => file.canonical !== file.text);
    if (values.write === true) for (const file of differ) await writeFile(file.path, file.canonical);
    tell(context, differ);
    return values.check === true && differ.length > 0 ? exit.found : exit.fine;
  },
};

function canonicalText(text: PolicyText): string {
  return parseTexts([text]).policies.map(canonical).join('---\n');
}

function print({ out, json }: CommandContext, files: readonly { readonly file: string; readonly canonical: string }[]) {
  if (json) out.json({ files: files.map(({ file, canonical: text }) => ({ file, text })) });
  else out.print(files.map(({ canonical: text }) => text).join('---\n'));
}

function tell({ out, json }: CommandContext, differ: readonly PolicyText[]): void {
  if (json) out.json({ changed: differ.map(({ file }) => file) });
  else for (const { file } of differ) out.print(file);
}
