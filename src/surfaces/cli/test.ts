import { readFileSync } from 'node:fs';
import { dirname, relative, resolve } from 'node:path';
import { type Policy, PolicyError, type PolicyTestReport, parsePolicies, runPolicyTests } from '../../policy/index.ts';
import { readArguments } from './arguments.ts';
import { CannotRun, type Command, type CommandContext, exit, UsageError } from './command.ts';
import { isTestFile, type PolicyText, problemsOf, readPolicyTexts } from './policy-files.ts';

export const test: Command = {
  name: 'test',
  summary: 'Run the tests of policies',
  usage: `  llm-policy test [FILE|DIRECTORY...] [--format pretty|json]

  Runs every *.policytest.yaml that is named or lies below a named directory (default: policies).
  Exits with 1 when a test fails.`,
  async run(context) {
    const { values, positionals } = readArguments(context.args, {
      format: { type: 'string' },
      coverage: { type: 'string' },
      bench: { type: 'boolean' },
    } as const);
    for (const name of ['coverage', 'bench'] as const) {
      if (values[name] !== undefined) throw new CannotRun(`'test --${name}' is not supported yet`);
    }
    const json = context.json || values.format === 'json';
    checkFormat(values.format);
    const files = await readPolicyTexts(positionals.length > 0 ? positionals : ['policies'], context.cwd, isTestFile);
    const reports = files.map((file) => ({ file: file.file, ...ran(file, context.cwd) }));
    if (json) context.out.json(summary(reports));
    else pretty(context, reports);
    return reports.every(good) ? exit.fine : exit.found;
  },
};

interface Ran {
  readonly file: string;
  readonly report?: PolicyTestReport;
  /** Why the file could not be run. */
  readonly problem?: string;
}

function checkFormat(format: string | undefined): void {
  if (format === undefined || format === 'pretty' || format === 'json') return;
  if (format === 'junit' || format === 'tap') throw new CannotRun(`the format '${format}' is not supported yet`);
  throw new UsageError('--format is pretty or json');
}

function ran({ path, file, text }: PolicyText, cwd: string): Omit<Ran, 'file'> {
  const load = (reference: string): readonly Policy[] => {
    const policy = resolve(dirname(path), reference);
    return parsePolicies(policyText(policy, reference), { file: relative(cwd, policy) });
  };
  try {
    return { report: runPolicyTests(text, load, { file }) };
  } catch (error) {
    return { problem: new PolicyError(problemsOf(error)).message };
  }
}

function policyText(path: string, reference: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    throw new CannotRun(`the policy ${reference} of a test cannot be read`);
  }
}

const good = ({ report }: Ran): boolean => report !== undefined && report.failed === 0;

function summary(reports: readonly Ran[]) {
  return {
    ok: reports.every(good),
    passed: reports.reduce((sum, { report }) => sum + (report?.passed ?? 0), 0),
    failed: reports.reduce((sum, { report }) => sum + (report?.failed ?? 1), 0),
    files: reports.map(({ file, report, problem }) => ({
      file,
      ...(problem === undefined ? {} : { problem }),
      tests: (report?.results ?? []).map(({ name, passed, failures }) => ({ name, passed, failures })),
    })),
  };
}

function pretty({ out }: CommandContext, reports: readonly Ran[]): void {
  for (const { file, report, problem } of reports) {
    const failed = report?.results.filter(({ passed }) => !passed) ?? [];
    if (problem === undefined && failed.length === 0) continue;
    out.print(file);
    if (problem !== undefined) out.print(indented(problem));
    for (const { name, failures } of failed) out.print(`  ${name}\n${indented(failures.join('\n'), '    ')}`);
  }
  const { passed, failed, files } = summary(reports);
  out.print(`${passed} passed, ${failed} failed, in ${files.length} ${files.length === 1 ? 'file' : 'files'}`);
}

function indented(text: string, by = '  '): string {
  return text
    .split('\n')
    .map((line) => by + line)
    .join('\n');
}
