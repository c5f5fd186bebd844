import {
  type DecisionInWords,
  explain as explainFacts,
  type FactTree,
  inWords,
  type Program,
  recordedBy,
  replayed,
  tellContext,
} from '../../policy/index.ts';
import { readArguments } from './arguments.ts';
import { CannotRun, type Command, type CommandContext, exit, UsageError } from './command.ts';
import { contextOf } from './evaluate.ts';
import { type GivenPolicies, givenPolicies, libraryOption, libraryUsage, programInForce } from './given-policies.ts';
import { problemsOf, tellProblems } from './policy-files.ts';
import type { PolicyPlace } from './ports.ts';
import { recordedExchanges } from './recorded.ts';

const options = {
  context: { type: 'string' },
  default: { type: 'string' },
  record: { type: 'string' },
  records: { type: 'string' },
  data: { type: 'string' },
  ...libraryOption,
} as const;

export const explain: Command = {
  name: 'explain',
  summary: 'Say why a request is decided as it is: which rule, which comparison, which value',
  usage: `  llm-policy explain FILE|DIRECTORY... --context JSON [--default allow|deny] [--library FILE|DIRECTORY]
  llm-policy explain --context JSON --config FILE
  llm-policy explain --record EXCHANGE [--records FILE|DIRECTORY] [FILE|DIRECTORY...]

  --context   the facts of a request: JSON, @FILE, or - for standard input
  --record    the id of a recorded call, decided again on the facts of its time; without policies by those in force
  --records   a trail, a file of one, or what 'audit export' printed (default: the configured trail)
  --data      where the trail's keys lie (default: as configured)
  --default   what holds where no rule matched (default: as the configuration says, or deny; for a record allow)
${libraryUsage}

  Exits with 1 when the request is denied.`,
  async run(context) {
    const { values, positionals } = readArguments(context.args, options);
    const fallback = values.default;
    if (fallback !== undefined && fallback !== 'allow' && fallback !== 'deny')
      throw new UsageError('--default is allow or deny');
    if ((values.context === undefined) === (values.record === undefined))
      throw new UsageError("'explain' needs --context or --record");
    if (values.context !== undefined && positionals.length === 0 && context.config === undefined)
      throw new UsageError("'explain' needs a file or a directory");
    const inForce = values.record !== undefined && positionals.length === 0;
    const given = inForce ? undefined : await givenPolicies(context, positionals, values.library);
    if (given !== undefined && given.problems.length > 0) return tellProblems(context, given.problems);
    try {
      if (values.record !== undefined) return await ofRecord(context, values.record, given, fallback, values);
      const facts = await contextOf(values.context ?? '{}', context, 'facts');
      const program = given?.program({ default: fallback ?? given.default ?? 'deny' });
      return await ofFacts(context, program, given?.places ?? [], facts);
    } catch (error) {
      return tellProblems(context, problemsOf(error));
    }
  },
};

async function ofFacts(
  { out, json, ports }: CommandContext,
  program: Program | undefined,
  places: readonly PolicyPlace[],
  given: FactTree,
) {
  if (program === undefined) throw new CannotRun('there are no policies to explain by');
  const modules = await ports.openModules(program, places);
  const { facts } = await tellContext(program, given, modules);
  await modules?.close();
  const explanation = explainFacts(program, 'request', facts);
  const words = inWords(program, 'request', facts);
  if (json) out.json({ ...explanation, sentences: words.sentences });
  else {
    tellWords(out, words);
    out.print(`\n${explanation.text}`);
  }
  return explanation.decision.allowed ? exit.fine : exit.found;
}

async function ofRecord(
  context: CommandContext,
  exchange: string,
  given: GivenPolicies | undefined,
  fallback: 'allow' | 'deny' | undefined,
  { records: path, data }: { readonly records?: string | undefined; readonly data?: string | undefined },
): Promise<number> {
  const found = await recordedExchanges(context, { path, data, exchange, limit: 1 });
  const [record] = found;
  if (record === undefined) throw new CannotRun(`no record of the exchange ${exchange} was found`);
  const then = record.decision.request;
  if (then === undefined) throw new CannotRun(`the exchange ${exchange} ended before it was decided on`);
  const inForce = await context.ports.inForce(context.config).catch((error: unknown) => {
    if (given !== undefined && error instanceof CannotRun) return undefined;
    throw error;
  });
  const running = programInForce(inForce);
  const program = given === undefined ? running : given.program({ default: fallback ?? inForce?.default ?? 'allow' });
  if (program === undefined) throw new CannotRun('no policies are in force; name some');
  const { facts, hinges } = replayed(program, record, recordedBy([record], [program, running ?? []].flat()));
  const words = inWords(program, 'request', facts);
  const explanation = explainFacts(program, 'request', facts);
  const same = record.program === program.id;
  if (context.json) {
    context.out.json({
      exchange,
      time: new Date(record.time_ms).toISOString(),
      recorded: then,
      program: record.program,
      same_program: same,
      unrecorded: hinges,
      sentences: words.sentences,
      ...explanation,
    });
  } else {
    const { out } = context;
    const by = then.rules.length === 0 ? 'no rule matched' : `matched: ${then.rules.join(', ')}`;
    out.item('', `${exchange} of ${new Date(record.time_ms).toISOString()} was recorded as ${then.decision} (${by}).`);
    out.item('', `Decided again by ${same ? 'the same policies' : 'other policies than then'}:`);
    tellWords(out, words);
    if (hinges.length > 0) out.item('', `It hinges on what was not recorded: ${hinges.join(', ')}.`);
    out.print(`\n${explanation.text}`);
  }
  return explanation.decision.allowed ? exit.fine : exit.found;
}

function tellWords(out: CommandContext['out'], { sentences, rules }: DecisionInWords): void {
  for (const sentence of sentences) out.item('', sentence);
  const others = rules.filter(({ outcome }) => outcome === 'did not match');
  for (const { rule, because } of others.slice(0, othersMax))
    out.item('', `${rule} did not match, because ${because}.`);
  const more = others.length - othersMax;
  if (more > 0) out.print(`${more} more ${more === 1 ? 'rule' : 'rules'} did not match.`);
}

/** Rules that did not match and are told in words; below, each of them is listed. */
const othersMax = 5;
