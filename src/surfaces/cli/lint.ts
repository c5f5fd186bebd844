import {
  Coverage,
  type Finding,
  type LintReport,
  lint as lintPolicies,
  type Policy,
  type Severity,
  severities,
} from '../../policy/index.ts';
import { readArguments } from './arguments.ts';
import { type Command, type CommandContext, exit, UsageError } from './command.ts';
import { givenPolicies, libraryOption, libraryUsage } from './given-policies.ts';
import { problemsOf, tellProblems } from './policy-files.ts';
import { runTestFile, testFilesOf } from './test-files.ts';

export const lint: Command = {
  name: 'lint',
  summary: 'Find what is doubtful in policies',
  usage: `  llm-policy lint [FILE|DIRECTORY...] [--severity error|warning|note] [--default allow|deny]
                  [--library FILE|DIRECTORY] [--config FILE]

  Looks at policies (default: those in policies) and at all of them together: rules that can never match or never have an
  effect, duplicates, contradictions, conditions that are always true or false, unused parameters, missing reasons and
  tests, slow rules, unbounded patterns. What is said about facts comes with a proof.

  --severity  the least that is told (default note)
  --default   what holds where no rule matched (default: as the configuration says, or deny)
${libraryUsage}

  Exits with 1 when something is found.`,
  async run(context) {
    const { values, positionals } = readArguments(context.args, {
      severity: { type: 'string' },
      default: { type: 'string' },
      ...libraryOption,
    } as const);
    const least = severities.find((one) => one === (values.severity ?? 'note'));
    if (least === undefined) throw new UsageError(`--severity is ${severities.join(', ')}`);
    const wanted = values.default;
    if (wanted !== undefined && wanted !== 'allow' && wanted !== 'deny')
      throw new UsageError('--default is allow or deny');
    const names = positionals.length > 0 || context.config !== undefined ? positionals : ['policies'];
    const given = await givenPolicies(context, names, values.library);
    const { policies, problems, files } = given;
    if (problems.length > 0) return tellProblems(context, problems);
    try {
      const program = given.program({ default: wanted ?? given.default ?? 'deny' });
      const tested = await coverageOf(names, policies, context);
      const report = lintPolicies({ program, policies, files, tested });
      return tell(context, report, least, policies.length);
    } catch (error) {
      return tellProblems(context, problemsOf(error));
    }
  },
};

async function coverageOf(
  names: readonly string[],
  policies: readonly Policy[],
  context: CommandContext,
): Promise<Coverage> {
  const coverage = new Coverage();
  for (const file of await testFilesOf(names, policies, context.cwd))
    await runTestFile(file, context, (program, phase, facts) => coverage.see(program, phase, facts));
  return coverage;
}

function tell(
  context: CommandContext,
  { findings, unanalysed }: LintReport,
  least: Severity,
  policies: number,
): number {
  const told = findings.filter(({ severity }) => severities.indexOf(severity) <= severities.indexOf(least));
  const { out, json } = context;
  if (json) out.json({ ok: told.length === 0, findings: told, unanalysed });
  else {
    for (const finding of told) print(context, finding);
    const looked = `${policies} ${policies === 1 ? 'policy' : 'policies'}`;
    const hidden = unanalysed.length;
    const not = hidden === 0 ? '' : ` ${hidden} ${hidden === 1 ? 'condition was' : 'conditions were'} not analysed.`;
    out.print(told.length === 0 ? `${looked}: nothing found.${not}` : `${counts(told)} in ${looked}.${not}`);
  }
  return told.length === 0 ? exit.fine : exit.found;
}

function print({ out }: CommandContext, finding: Finding): void {
  const { file, line, column, severity, code, rule, message, proof, facts, decision } = finding;
  out.item('', `${file}:${line}:${column}: ${severity} ${code}: ${rule}: ${message}`);
  for (const reason of proof ?? []) out.item('    because ', `it cannot be that ${reason}`);
  if (facts !== undefined) {
    const shown = Object.entries(facts).map(([name, value]) => `${name} = ${JSON.stringify(value)}`);
    out.item('    for instance ', `${shown.length === 0 ? 'without any facts' : shown.join(', ')}: ${decision}`);
  }
}

function counts(findings: readonly Finding[]): string {
  const said = severities.flatMap((severity) => {
    const count = findings.filter((one) => one.severity === severity).length;
    return count === 0 ? [] : [`${count} ${severity}${count === 1 ? '' : 's'}`];
  });
  return said.join(', ');
}
