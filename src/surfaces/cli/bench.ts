import { canonicalFacts, compile, decide, measured, parsePolicies, recordFacts } from '../../policy/index.ts';
import { readArguments } from './arguments.ts';
import { type Command, type CommandContext, exit, UsageError } from './command.ts';
import { contextOf } from './evaluate.ts';
import { type GivenPolicies, givenPolicies, libraryOption, libraryUsage } from './given-policies.ts';
import { problemsOf, tellProblems } from './policy-files.ts';
import { timed } from './stopwatch.ts';

export const bench: Command = {
  name: 'bench',
  summary: 'Measure policies: how long loading and deciding take',
  usage: `  llm-policy bench FILE|DIRECTORY... --context JSON [--seconds N] [--default allow|deny] [--library FILE|DIRECTORY]

  --context   the facts of a request: JSON, @FILE, a file's name, or - for standard input
  --seconds   how long to measure (default 2)
  --default   what holds where no rule matched (default: as the configuration says, or deny)
${libraryUsage}`,
  async run(context) {
    const { values, positionals } = readArguments(context.args, {
      context: { type: 'string' },
      seconds: { type: 'string' },
      default: { type: 'string' },
      ...libraryOption,
    } as const);
    if (positionals.length === 0 && context.config === undefined)
      throw new UsageError("'bench' needs a file or a directory");
    if (values.context === undefined) throw new UsageError("'bench' needs --context");
    const seconds = Number(values.seconds ?? 2);
    if (!(seconds > 0 && seconds <= 600)) throw new UsageError('--seconds is a number up to 600');
    const wanted = values.default;
    if (wanted !== undefined && wanted !== 'allow' && wanted !== 'deny')
      throw new UsageError('--default is allow or deny');
    const shown = /^\s*[{@-]/.test(values.context) ? values.context : `@${values.context}`;
    const facts = canonicalFacts(await contextOf(shown, context, 'facts'));
    const given = await givenPolicies(context, positionals, values.library);
    if (given.problems.length > 0) return tellProblems(context, given.problems);
    try {
      const fallback = wanted ?? given.default ?? 'deny';
      given.program({ default: fallback });
      tell(context, benched(given, facts, fallback, seconds * 1_000));
      return exit.fine;
    } catch (error) {
      return tellProblems(context, problemsOf(error));
    }
  },
};

function benched(
  { files, policies, library }: GivenPolicies,
  facts: ReturnType<typeof canonicalFacts>,
  fallback: 'allow' | 'deny',
  ms: number,
) {
  const started = performance.now();
  const fresh = files.flatMap(({ file, text }) => parsePolicies(text, { file }));
  const parsed = performance.now();
  const program = compile(fresh, { default: fallback, library });
  const loaded = performance.now();
  const deciding = timed(() => decide(program, 'request', facts), ms * 0.8);
  const recording = timed(() => {
    decide(program, 'request', facts);
    return recordFacts(program, 'request', facts);
  }, ms * 0.2);
  const { decision, determining } = decide(program, 'request', facts);
  return {
    policies: policies.length,
    ...measured(program, 'request', facts),
    facts_needed: [...program.needs('request').facts].sort(),
    decision,
    determining,
    parse_ms: rounded(parsed - started, 3),
    compile_ms: rounded(loaded - parsed, 3),
    us_per_decision: rounded(deciding.us_per_call, 4),
    decisions_per_second: Math.round(deciding.per_second),
    us_with_record: rounded(recording.us_per_call, 4),
  };
}

const rounded = (value: number, digits: number) => Number(value.toFixed(digits));

function tell({ out, json }: CommandContext, result: ReturnType<typeof benched>): void {
  if (json) {
    out.json(result);
    return;
  }
  const { facts_needed, determining, decision, ...figures } = result;
  out.table(
    ['figure', 'value', 'of'],
    [
      ['decisions per second', String(figures.decisions_per_second), ''],
      ['one decision', String(figures.us_per_decision), 'us'],
      ['with the facts of its record', String(figures.us_with_record), 'us'],
      ['reading the policies', String(figures.parse_ms), 'ms'],
      ['compiling them', String(figures.compile_ms), 'ms'],
      ['policies', String(figures.policies), ''],
      ['rules', String(figures.rules), ''],
      ['rules that equalities rule out', String(figures.ruled_out), ''],
      ['rules that match', String(figures.matched), ''],
      ['facts needed', String(facts_needed.length), ''],
    ],
  );
  out.item('facts: ', facts_needed.join(', ') || 'none');
  out.item('decision: ', `${decision}${determining.length === 0 ? '' : ` by ${determining.join(', ')}`}`);
}
