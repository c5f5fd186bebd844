import { list, readArguments } from './arguments.ts';
import { type Command, type CommandContext, exit, UsageError } from './command.ts';
import { shownTime, unlessAllSame } from './output.ts';
import type { KeyRow, KeyWish, NewKeyRow } from './ports.ts';
import { noSuchVerb } from './verbs.ts';

export const keys: Command = {
  name: 'keys',
  summary: 'Make, list, end and replace keys',
  usage: `  llm-policy keys create --team TEAM [--organization ID] [--name TEXT] [--models a,b] [--scopes a,b]
                         [--may-assert] [--expires-days N | --expires-at TIME] [--only-show]
  llm-policy keys list
  llm-policy keys revoke ID
  llm-policy keys rotate ID [--grace-seconds N]

  --models         narrows what the team may ask for; * stands for any run of characters
  --scopes         policy:evaluate (default), policy:read, policy:write, policy:admin, policy:approve
  --may-assert     x-llm-user, x-llm-project and x-llm-tags bind for this key
  --expires-at     RFC 3339
  --only-show      keep nothing: the keyed hash is for the configuration
  --grace-seconds  how long the old key lives beside the new one (default 0)

  A key is shown once, when it is made. A running gateway makes the changes, and records them; where none answers the keys
  of the data directory are changed, which a gateway sees within a second.`,
  async run(context) {
    const [verb, ...args] = context.args;
    switch (verb) {
      case 'create':
        return await create(context, args);
      case 'list':
        return await show(context, args);
      case 'revoke':
        return await revoke(context, args);
      case 'rotate':
        return await rotate(context, args);
      default:
        throw noSuchVerb('keys', verb, ['create', 'list', 'revoke', 'rotate']);
    }
  },
};

const createOptions = {
  team: { type: 'string' },
  organization: { type: 'string' },
  name: { type: 'string' },
  models: { type: 'string' },
  scopes: { type: 'string' },
  'may-assert': { type: 'boolean' },
  'expires-days': { type: 'string' },
  'expires-at': { type: 'string' },
  'only-show': { type: 'boolean' },
} as const;

async function create(context: CommandContext, args: readonly string[]): Promise<number> {
  const { values, positionals } = readArguments(args, createOptions);
  if (values.team === undefined) throw new UsageError("'keys create' needs --team");
  none(positionals);
  const models = list(values.models);
  const scopes = list(values.scopes);
  const expires_at = expiry(values['expires-at'], values['expires-days']);
  const wish: KeyWish = {
    team: values.team,
    ...(values.organization === undefined ? {} : { organization: values.organization }),
    ...(values.name === undefined ? {} : { name: values.name }),
    ...(models === undefined ? {} : { models }),
    ...(scopes === undefined ? {} : { scopes }),
    ...(values['may-assert'] === undefined ? {} : { may_assert: values['may-assert'] }),
    ...(expires_at === undefined ? {} : { expires_at }),
  };
  const port = await context.ports.keys(context.config);
  const keep = values['only-show'] !== true;
  announce(context, await port.create(wish, { keep }), keep);
  return exit.fine;
}

async function show({ config, json, out, ports }: CommandContext, args: readonly string[]): Promise<number> {
  none(readArguments(args, {}).positionals);
  const rows = await (await ports.keys(config)).list();
  if (json) out.json({ keys: rows });
  else if (rows.length === 0) out.print('No keys were made yet.');
  else {
    const organization = unlessAllSame(rows, (row) => row.organization);
    out.table(
      ['id', 'organization', 'team', 'name', 'state', 'expires (utc)', 'created (utc)'],
      rows.map((row) => [
        row.id,
        organization(row),
        row.team,
        row.name ?? '',
        state(row),
        endOf(row),
        shownTime(row.created_at),
      ]),
    );
  }
  return exit.fine;
}

async function revoke({ config, json, out, ports }: CommandContext, args: readonly string[]): Promise<number> {
  const id = one(readArguments(args, {}).positionals, 'keys revoke');
  const row = await (await ports.keys(config)).revoke(id);
  if (json) out.json(row);
  else out.print(`The key ${row.id} of team ${row.team} opens nothing any more.`);
  return exit.fine;
}

async function rotate(context: CommandContext, args: readonly string[]): Promise<number> {
  const { values, positionals } = readArguments(args, { 'grace-seconds': { type: 'string' } } as const);
  const id = one(positionals, 'keys rotate');
  const grace_seconds = wholeNumber(values['grace-seconds'] ?? '0', '--grace-seconds');
  announce(context, await (await context.ports.keys(context.config)).rotate(id, grace_seconds), true);
  return exit.fine;
}

function announce({ json, out }: CommandContext, row: NewKeyRow, kept: boolean): void {
  if (json) {
    out.json(row);
    return;
  }
  out.print(`key   ${row.key}`);
  out.print(`id    ${row.id}`);
  out.print(`hash  ${row.hash}`);
  out.error('The key is shown this once. Keep it where secrets are kept.');
  if (!kept) out.error('It is not stored: put the hash under the keys of its team in the configuration.');
}

/** When it opens nothing any more: one that was replaced lives for its grace, however long it was made for. */
function endOf({ expires_at, revoked_at }: KeyRow): string {
  const [first] = [expires_at ?? [], revoked_at ?? []].flat().sort((a, b) => Date.parse(a) - Date.parse(b));
  return first === undefined ? 'never' : shownTime(first);
}

function state(row: KeyRow): string {
  const now = Date.now();
  if (row.revoked_at !== undefined) return Date.parse(row.revoked_at) <= now ? 'revoked' : 'ending';
  return row.expires_at !== undefined && Date.parse(row.expires_at) <= now ? 'expired' : 'active';
}

function expiry(at: string | undefined, days: string | undefined): string | undefined {
  if (at !== undefined && days !== undefined) throw new UsageError('give --expires-at or --expires-days, not both');
  if (days !== undefined) return new Date(Date.now() + wholeNumber(days, '--expires-days') * 86_400_000).toISOString();
  if (at === undefined) return undefined;
  if (!/^\d{4}-\d\d-\d\dT\d\d:\d\d/.test(at) || Number.isNaN(Date.parse(at))) {
    throw new UsageError("--expires-at is a time such as '2027-01-31T00:00:00Z'");
  }
  return new Date(at).toISOString();
}

function wholeNumber(text: string, option: string): number {
  if (!/^\d{1,7}$/.test(text)) throw new UsageError(`${option} is a whole number`);
  return Number(text);
}

function one(positionals: readonly string[], command: string): string {
  const [id, extra] = positionals;
  if (id === undefined || extra !== undefined) throw new UsageError(`'${command}' needs the id of one key`);
  return id;
}

function none(positionals: readonly string[]): void {
  if (positionals[0] !== undefined) throw new UsageError(`there is no place for '${positionals[0]}'`);
}
