import { readArguments } from './arguments.ts';
import { type Command, exit, UsageError } from './command.ts';
import { givenPolicies, libraryOption, libraryUsage } from './given-policies.ts';
import { problemsOf, tellProblems } from './policy-files.ts';

export const validate: Command = {
  name: 'validate',
  summary: 'Check policies, each and together',
  usage: `  llm-policy validate FILE|DIRECTORY... [--library FILE|DIRECTORY]
  llm-policy validate --config FILE

${libraryUsage}`,
  async run(context) {
    const { values, positionals } = readArguments(context.args, libraryOption);
    if (positionals.length === 0 && context.config === undefined)
      throw new UsageError("'validate' needs a file or a directory");
    const given = await givenPolicies(context, positionals, values.library);
    const { policies, problems } = given;
    if (problems.length > 0) return tellProblems(context, problems);
    try {
      const program = given.program({});
      const broken = await context.ports.moduleProblems(program, given.places);
      if (broken.length > 0) return tellProblems(context, broken);
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
