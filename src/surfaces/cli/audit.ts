import { statSync } from 'node:fs';
import { join } from 'node:path';
import {
  eraseUser,
  listAside,
  type QueriedRecord,
  type QueryFilter,
  queryTrail,
  type TrailReport,
  verifyTrail,
} from '../../observe/index.ts';
import { nearest } from '../../policy/index.ts';
import { readArguments } from './arguments.ts';
import { showAside } from './audit-aside.ts';
import { mustExist, placesOf } from './audit-places.ts';
import { CannotRun, type Command, type CommandContext, exit, UsageError } from './command.ts';
import { moment } from './moment.ts';
import { shownTime } from './output.ts';
import { noSuchVerb } from './verbs.ts';

export const audit: Command = {
  name: 'audit',
  summary: 'Search the audit trail, check it, and erase a person from it',
  usage: `  llm-policy audit query [--since T] [--until T] [--team ID] [--user ID] [--decision WORD] [--model NAME]
                         [--exchange ID] [--limit N]
  llm-policy audit export [the same]
  llm-policy audit verify [DIRECTORY] [--rotated]
  llm-policy audit erase --user ID
  llm-policy audit aside [--retry]

  --since, --until  RFC 3339, or how long ago: 30m, 12h, 7d
  --decision        a decision (allow, warn, modify, deny), an ending (complete, denied, failed, aborted, cut, lost),
                    or what is of no call: admin, alert, decision
  --limit           the newest so many; default 100, export has none
  --path            where the trail lies (default: the first file sink of the configuration)
  --rotated         days at the beginning of the trail were rotated away: that they are missing is no problem
  --data            where its keys and spools lie (default: spool in the configured data directory)

  export prints JSON lines. verify exits 1 where a record was removed, edited, reordered or cut off, or a signature is
  missing that was due; records of the last minute may still wait for theirs, and it says so. aside lists records
  that a sink would not take though it takes others, and exits 1 where there are any; --retry has the running gateway try
  them once more.`,
  async run(context) {
    const [verb, ...args] = context.args;
    switch (verb) {
      case 'query':
        return await query(context, args);
      case 'export':
        return await exportLines(context, args);
      case 'verify':
        return await verify(context, args);
      case 'erase':
        return await erase(context, args);
      case 'aside':
        return await aside(context, args);
      case 'report':
        throw new CannotRun("'audit report' is not supported yet");
      default:
        throw noSuchVerb('audit', verb, ['query', 'export', 'verify', 'erase', 'aside']);
    }
  },
};

const places = { path: { type: 'string' }, data: { type: 'string' } } as const;

const filters = {
  ...places,
  since: { type: 'string' },
  until: { type: 'string' },
  team: { type: 'string' },
  user: { type: 'string' },
  decision: { type: 'string' },
  model: { type: 'string' },
  exchange: { type: 'string' },
  limit: { type: 'string' },
} as const;

/** What `--decision` may be: effects of rules, endings of exchanges, and kinds of records that are of none. */
const decisions = [
  ...['allow', 'audit', 'warn', 'modify', 'deny'],
  ...['complete', 'denied', 'failed', 'aborted', 'cut', 'ended_by_rail', 'ended_by_ceiling', 'lost'],
  ...['admin', 'alert', 'decision'],
];

async function* found(
  context: CommandContext,
  args: readonly string[],
  limit_default: number | undefined,
): AsyncGenerator<QueriedRecord> {
  const { values, positionals } = readArguments(args, filters);
  if (positionals.length > 0) throw new UsageError(`'${positionals[0]}' is one word too many`);
  const limit = values.limit === undefined ? limit_default : Number(values.limit);
  if (limit !== undefined && !(Number.isInteger(limit) && limit > 0)) throw new UsageError('--limit is a whole number');
  const { team, user, decision, model, exchange } = values;
  if (decision !== undefined && !decisions.includes(decision)) {
    const meant = nearest(decision, decisions);
    const hint = meant === undefined ? decisions.join(', ') : `did you mean '${meant}'?`;
    throw new UsageError(`there is no decision or ending '${decision}'; ${hint}`);
  }
  const [since, until] = [moment('since', values.since), moment('until', values.until)];
  const filter: QueryFilter = { since, until, team, user, decision, model, exchange, limit };
  const { path, data } = await placesOf(context, values.path, values.data);
  mustExist(path, 'audit trail');
  const keys = statSync(data, { throwIfNoEntry: false }) === undefined ? undefined : data;
  if (keys === undefined && user !== undefined)
    throw new CannotRun(`without the keys at ${data} no user can be looked for`);
  yield* queryTrail(path, filter, keys);
}

/** As programs read it: amounts in dollars, times as text. */
function printed({ spool, seq, hash, record, sealed }: QueriedRecord): Record<string, unknown> {
  const { time_ms, cost_nusd, held_nusd, attempts, ...rest } = record;
  return {
    time: new Date(time_ms).toISOString(),
    ...rest,
    attempts: attempts.map(({ cost_nusd: cost, ...attempt }) => ({
      ...attempt,
      ...(cost === undefined ? {} : { cost_usd: cost / 1e9 }),
    })),
    cost_usd: cost_nusd / 1e9,
    held_usd: held_nusd / 1e9,
    sealed,
    spool,
    seq,
    hash,
  };
}

async function query(context: CommandContext, args: readonly string[]): Promise<number> {
  const records: QueriedRecord[] = [];
  for await (const one of found(context, args, 100)) records.push(one);
  if (context.json) {
    context.out.json({ records: records.map(printed) });
  } else if (records.length === 0) {
    context.out.print('No record fits.');
  } else {
    context.out.table(
      ['time (utc)', 'exchange', 'team', 'user', 'model', 'outcome', 'cost', 'ms'],
      records.map(({ record, sealed }) => [
        shownTime(record.time_ms),
        record.exchange,
        record.caller.team ?? '-',
        record.caller.user ?? (sealed ? '[sealed]' : '-'),
        record.model_used ?? record.model_asked ?? '-',
        outcome(record),
        record.cost_nusd === 0 ? '-' : `$${(record.cost_nusd / 1e9).toFixed(6)}${record.cost_estimated ? ' est.' : ''}`,
        String(Math.round(record.timings.total)),
      ]),
    );
  }
  return exit.fine;
}

/** What was changed or noticed; of an exchange how it ended, and of what did not end well why; of what did, the decision where it is more than a plain yes. */
function outcome({ ending, failure, decision, change, alert }: QueriedRecord['record']): string {
  if (change !== undefined) return `${change.action} ${change.target} by ${change.by}`;
  if (alert !== undefined) return `alert: ${alert.window} budget of ${alert.scope} ${alert.id} over ${alert.percent} %`;
  if (failure !== undefined) return `${ending}: ${failure.status} ${failure.code}`;
  const said = decision.request?.decision;
  return said === undefined || said === 'allow' ? ending : `${ending}, ${said}`;
}

async function exportLines(context: CommandContext, args: readonly string[]): Promise<number> {
  for await (const one of found(context, args, undefined)) context.out.print(JSON.stringify(printed(one)));
  return exit.fine;
}

async function verify(context: CommandContext, args: readonly string[]): Promise<number> {
  const { values, positionals } = readArguments(args, { ...places, rotated: { type: 'boolean' } });
  if (positionals.length > 1) throw new UsageError(`'${positionals[1]}' is one word too many`);
  const { path, data } = await placesOf(context, positionals[0] ?? values.path, values.data);
  mustExist(path, 'audit trail');
  mustExist(join(data, 'keys'), 'signing key');
  const report = await verifyTrail(path, data, { rotated: values.rotated === true });
  if (context.json) {
    context.out.json(report);
  } else {
    for (const { kind, file, line, spool, seq, detail } of report.problems) {
      const place = line > 0 ? `${file}:${line}` : file;
      context.out.error(`${place}: ${kind}: ${detail}${spool === '' ? '' : ` (spool ${spool}, record ${seq})`}`);
    }
    if (report.spools.length > 0)
      context.out.table(
        ['spool', 'records', 'last', 'signed up to', 'erased'],
        report.spools.map((one) => [
          one.spool,
          ...[one.records, one.last_seq, one.vouched_seq, one.erased].map(String),
        ]),
      );
    for (const spool of report.spools) {
      for (const text of [rotatedText(spool, values.rotated === true), unsignedText(spool)]) {
        if (text !== undefined) context.out.print(text);
      }
    }
    context.out.print(report.ok ? holdsText(report.records) : 'The trail does not hold.');
  }
  return report.ok ? exit.fine : exit.found;
}

function holdsText(records: number): string {
  if (records === 0) return 'There are no records, and no signed position tells of any.';
  return `${records} ${records === 1 ? 'record' : 'records'}; the chain holds.`;
}

function rotatedText({ spool, first_seq }: TrailReport['spools'][number], rotated: boolean): string | undefined {
  if (!rotated || first_seq < 2) return undefined;
  const before = first_seq === 2 ? 'the one before it is' : `the ${first_seq - 1} before it are`;
  return `${spool}: begins with number ${first_seq}; ${before} not here.`;
}

/** What is not signed, where that is no problem. */
function unsignedText({ spool, unsigned, vouched_seq, signing }: TrailReport['spools'][number]): string | undefined {
  if (signing === 'complete' || signing === 'overdue') return undefined;
  const [records, are] = unsigned === 1 ? ['record', 'is'] : ['records', 'are'];
  const which = `${spool}: ${unsigned} ${records} after number ${vouched_seq} ${are} not signed`;
  return signing === 'not_yet'
    ? `${which} yet; the gateway signs every minute.`
    : `${which}: the gateway ended before it could, and signs when it has started again.`;
}

async function erase(context: CommandContext, args: readonly string[]): Promise<number> {
  const { values } = readArguments(args, { ...places, user: { type: 'string' } });
  if (values.user === undefined) throw new UsageError("'audit erase' needs --user");
  const { data } = await placesOf(context, values.path, values.data);
  mustExist(join(data, 'keys'), 'key');
  const erased = eraseUser(data, values.user);
  if (context.json) context.out.json({ erased });
  else
    context.out.print(
      erased ? 'Erased: what was sealed for this user can no longer be read.' : 'Nothing is kept of this user.',
    );
  return erased ? exit.fine : exit.found;
}

async function aside(context: CommandContext, args: readonly string[]): Promise<number> {
  const { values, positionals } = readArguments(args, { ...places, retry: { type: 'boolean' } });
  if (positionals.length > 0) throw new UsageError(`'${positionals[0]}' is one word too many`);
  const { data } = await placesOf(context, values.path, values.data);
  const taken = values.retry === true ? await context.ports.retryAside(context.config) : undefined;
  return showAside(context, listAside(data), taken);
}
