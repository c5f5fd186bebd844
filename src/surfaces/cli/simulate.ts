import {
  type Modules,
  type Program,
  type RecordedExchange,
  recordedBy,
  simulate as replay,
  type SimulationReport,
  tellRecorded,
} from '../../policy/index.ts';
import { readArguments } from './arguments.ts';
import { CannotRun, type Command, type CommandContext, exit, UsageError } from './command.ts';
import { givenPolicies, libraryOption, programInForce } from './given-policies.ts';
import { moment } from './moment.ts';
import { problemsOf, tellProblems } from './policy-files.ts';
import type { InForce, PolicyPlace, RunningModules } from './ports.ts';
import { recordedExchanges } from './recorded.ts';

export const simulate: Command = {
  name: 'simulate',
  summary: 'Decide recorded calls again by other policies',
  usage: `  llm-policy simulate --against FILE|DIRECTORY... [--records FILE|DIRECTORY] [--since T] [--until T] [--team ID]
                      [--limit N] [--against-default allow|deny] [--library FILE|DIRECTORY]

  --against          the policies to try; may be given several times, and what follows without a name is one too
  --library          what they are made of (extends, include), beside the policies of a configuration that --config names
  --against-default  what they say where no rule matches (default: as the configuration says, or allow)
  --records          a trail, a file of one, or what 'audit export' printed (default: the configured trail)
  --since, --until   RFC 3339, or how long ago: 30m, 12h, 7d
  --limit            the newest so many (default 100000)
  --data             where the trail's keys lie (default: as configured)

  Each call is decided on the facts of its time. What hinges on a fact that was not recorded is told as unknown.
  Exits with 1 when an outcome would change.`,
  async run(context) {
    const { values, positionals } = readArguments(context.args, {
      against: { type: 'string', multiple: true },
      'against-default': { type: 'string' },
      records: { type: 'string' },
      data: { type: 'string' },
      since: { type: 'string' },
      until: { type: 'string' },
      team: { type: 'string' },
      limit: { type: 'string' },
      ...libraryOption,
    } as const);
    const names = [...(values.against ?? []), ...positionals];
    if (names.length === 0) throw new UsageError("'simulate' needs --against");
    const limit = values.limit === undefined ? 100_000 : Number(values.limit);
    if (!(Number.isInteger(limit) && limit > 0)) throw new UsageError('--limit is a whole number');
    const fallback = values['against-default'];
    if (fallback !== undefined && fallback !== 'allow' && fallback !== 'deny')
      throw new UsageError('--against-default is allow or deny');
    const [since, until] = [moment('since', values.since), moment('until', values.until)];
    const given = await givenPolicies(context, names, values.library);
    const { problems } = given;
    if (problems.length > 0) return tellProblems(context, problems);
    const { records: path, data, team } = values;
    const records = await recordedExchanges(context, { path, data, since, until, team, limit });
    const inForce = await configured(context);
    try {
      const program = given.program({ default: fallback ?? inForce?.default ?? 'allow' });
      const programs = [programInForce(inForce) ?? []].flat();
      const told = await toldOf(context, program, given.places, records, programs);
      const report = replay(program, records, {
        programs,
        told,
        costWith: (model, { usage, time_ms }) => inForce?.costWith(model, usage, time_ms),
      });
      if (context.json) context.out.json(report);
      else tell(context, report);
      return report.changed > 0 ? exit.found : exit.fine;
    } catch (error) {
      return tellProblems(context, problemsOf(error));
    }
  },
};

/** What modules say of calls whose records do not: opened when the first of them is asked. */
async function toldOf(
  { ports }: CommandContext,
  program: Program,
  places: readonly PolicyPlace[],
  records: readonly RecordedExchange[],
  programs: readonly Program[],
) {
  let opened: Promise<RunningModules | undefined> | undefined;
  const run: Modules['run'] = async (call, input, asker) => {
    opened ??= ports.openModules(program, places);
    return (await (await opened)?.run(call, input, asker)) ?? { unable: 'its module was not run' };
  };
  const recorded = recordedBy(records, programs);
  try {
    return await tellRecorded(program, records, recorded, { run });
  } finally {
    await (await opened)?.close();
  }
}

// Records can be decided on anywhere; a configuration adds prices.
async function configured({ ports, config }: CommandContext): Promise<InForce | undefined> {
  return await ports.inForce(config).catch((error: unknown) => {
    if (config === undefined && error instanceof CannotRun) return undefined;
    throw error;
  });
}

function tell({ out }: CommandContext, report: SimulationReport): void {
  const { exchanges, changed, unknown, same, changes, saved_usd, added_usd, unpriced, unrecorded } = report;
  if (exchanges === 0) {
    out.print('No record with a decision fits.');
    return;
  }
  if (changes.length > 0)
    out.table(
      ['calls', 'from', 'to', 'now by', 'then by', 'saved', 'added', 'for instance'],
      changes.map((one) => [
        String(one.count),
        one.from,
        one.to,
        one.rule,
        one.was.join(', ') || '(default)',
        dollars(one.saved_usd),
        dollars(one.added_usd),
        one.exchanges[0] ?? '',
      ]),
    );
  out.print(
    `${exchanges} calls: ${changed} would change (${percent(changed, exchanges)}), ${same} would not, ${unknown} cannot be told.`,
  );
  if (changed > 0) {
    const missing = unpriced === 0 ? '' : `; of ${unpriced} the cost is not known`;
    out.print(`Saved ${dollars(saved_usd) || '$0'}, added ${dollars(added_usd) || '$0'}${missing}.`);
  }
  const names = Object.entries(unrecorded).map(([name, count]) => `${name} (${count})`);
  if (names.length > 0) out.item('', `Not recorded, and needed: ${names.join(', ')}.`);
}

const dollars = (usd: number) => (usd === 0 ? '' : `$${usd.toFixed(usd < 1 ? 6 : 2)}`);
const percent = (part: number, whole: number) => `${((100 * part) / whole).toFixed(1)} %`;
