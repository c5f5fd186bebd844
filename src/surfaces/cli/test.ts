import { dirname, resolve } from 'node:path';
import { Coverage, type CoverageReport, decide } from '../../policy/index.ts';
import { readArguments } from './arguments.ts';
import { type Command, type CommandContext, exit, UsageError } from './command.ts';
import { isTestFile, readPolicyTexts } from './policy-files.ts';
import { timed } from './stopwatch.ts';
import { type RanFile, runTestFile } from './test-files.ts';
import { good, jsonReport, junitReport, prettyReport, tapReport } from './test-report.ts';
import { runAndWatch } from './test-watch.ts';

const formats = ['pretty', 'json', 'junit', 'tap'] as const;

interface Wish {
  readonly names: readonly string[];
  readonly format: (typeof formats)[number];
  /** Least percent; undefined where nobody asked. */
  readonly coverage: number | undefined;
  readonly bench: boolean;
}

export const test: Command = {
  name: 'test',
  summary: 'Run the tests of policies',
  usage: `  llm-policy test [FILE|DIRECTORY...] [--format pretty|json|junit|tap] [--coverage[=MIN]] [--bench] [--watch]

  Runs every *.policytest.yaml that is named or lies below a named directory (default: policies).

  --coverage  which comparisons were seen true and which false; with MIN (percent) less is a failure
  --bench     how long each tested decision takes
  --watch     run again whenever a file changes, until it is interrupted

  Exits with 1 when a test fails.`,
  async run(context) {
    const { values, positionals } = readArguments(
      context.args.map((arg) => (arg === '--coverage' ? '--coverage=' : arg)),
      {
        format: { type: 'string' },
        coverage: { type: 'string' },
        bench: { type: 'boolean' },
        watch: { type: 'boolean' },
      } as const,
    );
    const format = formats.find((one) => one === (values.format ?? (context.json ? 'json' : 'pretty')));
    if (format === undefined) throw new UsageError(`--format is ${formats.join(', ')}`);
    const names = positionals.length > 0 ? positionals : ['policies'];
    const wish: Wish = { names, format, coverage: least(values.coverage), bench: values.bench === true };
    if (values.watch === true) return await watching(context, wish);
    return (await ranAll(context, wish)).code;
  },
};

function least(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const percent = Number(text.replace(/%$/, ''));
  if (!(percent >= 0 && percent <= 100)) throw new UsageError('--coverage takes a percent from 0 to 100');
  return percent;
}

async function ranAll(context: CommandContext, wish: Wish) {
  const texts = await readPolicyTexts(wish.names, context.cwd, isTestFile);
  const coverage = new Coverage();
  const decisions: { readonly file: string; readonly decide: () => unknown }[] = [];
  const files: RanFile[] = [];
  for (const text of texts) {
    const ran = await runTestFile(text, context, (program, phase, facts) => {
      coverage.see(program, phase, facts);
      if (wish.bench) decisions.push({ file: text.file, decide: () => decide(program, phase, facts) });
    });
    files.push(ran);
  }
  const seen = wish.coverage === undefined ? undefined : coverage.report();
  const enough = seen === undefined || seen.percent >= (wish.coverage ?? 0);
  tell(context, wish, files, seen, enough, decisions);
  return { code: files.every(good) && enough ? exit.fine : exit.found, files };
}

function tell(
  { out }: CommandContext,
  { format, coverage }: Wish,
  files: readonly RanFile[],
  seen: CoverageReport | undefined,
  enough: boolean,
  decisions: readonly { readonly file: string; readonly decide: () => unknown }[],
): void {
  const timings = timingsOf(files, decisions);
  if (format === 'json') {
    const report = jsonReport(files);
    out.json({
      ...report,
      ok: report.ok && enough,
      ...(seen === undefined ? {} : { coverage: seen }),
      ...(timings.length === 0 ? {} : { bench: timings }),
    });
    return;
  }
  if (format !== 'pretty') {
    out.print(format === 'tap' ? tapReport(files) : junitReport(files));
    return;
  }
  out.print(prettyReport(files));
  if (timings.length > 0)
    out.table(
      ['test', 'us', 'per second'],
      timings.map(({ file, test: name, us, per_second }) => [`${file}: ${name}`, us.toFixed(3), String(per_second)]),
    );
  if (seen === undefined) return;
  tellCoverage(out, seen);
  if (!enough) out.print(`Less than the ${coverage} % that were asked for.`);
}

function tellCoverage(out: CommandContext['out'], { rules, percent, seen, total }: CoverageReport): void {
  const gaps = rules.flatMap(({ rule, leaves, evaluated, matched }) => {
    if (leaves.length === 0 && evaluated === 0) return [[rule, 'it was never looked at', '']];
    const open = leaves.filter((leaf) => !leaf.seen_true || !leaf.seen_false);
    return open.map((leaf) => [
      rule,
      leaf.text,
      leaf.seen_true ? 'never false' : leaf.seen_false ? 'never true' : matched === 0 ? 'never seen' : 'never told',
    ]);
  });
  if (gaps.length > 0) out.table(['rule', 'comparison', 'in no test'], gaps);
  out.print(`Coverage: ${percent.toFixed(1)} % (${seen} of ${total} outcomes, in ${rules.length} rules).`);
}

/** Each decision of the tests that were run, in their order. */
function timingsOf(
  files: readonly RanFile[],
  decisions: readonly { readonly file: string; readonly decide: () => unknown }[],
) {
  if (decisions.length === 0) return [];
  const names = files.flatMap(({ report }) => (report?.results ?? []).map(({ name }) => name));
  const each_ms = Math.max(5, Math.min(100, 5_000 / decisions.length));
  return decisions.map(({ file, decide: once }, i) => {
    const { us_per_call, per_second } = timed(once, each_ms);
    return { file, test: names[i] ?? String(i + 1), us: us_per_call, per_second: Math.round(per_second) };
  });
}

async function watching(context: CommandContext, wish: Wish): Promise<never> {
  const { out, cwd } = context;
  const pretty = wish.format === 'pretty';
  return await runAndWatch({
    places: wish.names.map((name) => resolve(cwd, name)),
    async run() {
      const { files } = await ranAll(context, wish);
      return files.flatMap(({ policies }) => policies.map((policy) => dirname(policy)));
    },
    changed() {
      if (pretty) out.print(`\n${new Date().toISOString().slice(11, 19)} changed`);
    },
    failed: (error) => out.error(`llm-policy: ${error instanceof Error ? error.message : String(error)}`),
    watching() {
      if (pretty) out.print('Watching; interrupt to end.');
    },
  });
}
