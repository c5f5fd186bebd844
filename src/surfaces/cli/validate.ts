import { compile } from '../../policy/index.ts';
import { readArguments } from './arguments.ts';
import { type Command, exit, UsageError } from './command.ts';
import { parseTexts, problemsOf, readPolicyTexts, tellProblems } from './policy-files.ts';

export const validate: Command = {
  name: 'validate',
  summary: 'Check policies, each and together',
  usage: '  llm-policy validate FILE|DIRECTORY...',
  async run(context) {
    const { positionals } = readArguments(context.args, {});
    if (positionals.length === 0) throw new UsageError("'validate' needs a file or a directory");
    const { policies, problems } = parseTexts(await readPolicyTexts(positionals, context.cwd));
    if (problems.length > 0) return tellProblems(context, problems);
    try {
      const program = compile(policies);
      const rules = program.policies.reduce((sum, policy) => sum + policy.rules, 0);
      if (context.json) context.out.json({ ok: true, policies: policies.length, rules, program: program.id });
      else
        context.out.print(`${count(policies.length, 'policy', 'policies')}, ${count(rules, 'rule', 'rules')}: fine.`);
      return exit.fine;
    } catch (error) {
      return tellProblems(context, problemsOf(error));
    }
  },
};

function count(number: number, one: string, many: string): string {
  return `${number} ${number === 1 ? one : many}`;
}
