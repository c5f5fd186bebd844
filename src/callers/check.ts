import { isKeyedHash, isWholeKeyedHash } from './key.ts';
import { nanoUsd } from './limits.ts';
import type { AuthSettings, BudgetSettings, KeySettings, OrganizationSettings, TeamSettings } from './settings.ts';

/** A rule of this room that a schema cannot say, broken at a path below the section. */
export interface Complaint {
  readonly section: 'organizations' | 'auth';
  readonly path: readonly (string | number)[];
  readonly message: string;
}

/** What is wrong with the organisations beyond their schema; empty when nothing is. */
export function checkCallers(organizations: readonly OrganizationSettings[], auth: AuthSettings): readonly Complaint[] {
  const complaints: Complaint[] = [];
  const say = (path: Complaint['path'], message: string) => {
    complaints.push({ section: 'organizations', path, message });
  };
  const organizationIds = new Map<string, unknown>();
  const teamOwners = new Map<string, string>();
  const keyIds = new Map<string, string>();
  const keys = new Map<string, string>();
  for (const [o, organization] of organizations.entries()) {
    once(organizationIds, organization.id, `organization '${organization.id}'`, () => [o, 'id'], say);
    budgetComplaints(organization.budgets, [o, 'budgets'], say);
    const teamIds = new Map<string, string>();
    for (const [t, team] of organization.teams.entries()) {
      const at = [o, 'teams', t] as const;
      once(teamIds, team.id, `team '${team.id}'`, () => [...at, 'id'], say);
      if (auth.jwt !== undefined && auth.jwt.claims.organization === undefined) {
        ambiguousTeam(teamOwners, team.id, organization.id, [...at, 'id'], say);
      }
      teamComplaints(team, at, say);
      for (const [k, entry] of team.keys.entries()) {
        keyComplaints(entry, team, [...at, 'keys', k], { keys, keyIds }, say);
      }
    }
  }
  if (auth.jwt !== undefined && !safeAddress(auth.jwt.jwks_url)) {
    const message = 'must be https: whoever sits between could hand out keys of their own (http is for loopback alone)';
    complaints.push({ section: 'auth', path: ['jwt', 'jwks_url'], message });
  }
  if (!auth.keys && auth.jwt === undefined) {
    complaints.push({
      section: 'auth',
      path: ['keys'],
      message: 'nobody could be identified: turn keys on or set jwt',
    });
  }
  return complaints;
}

function safeAddress(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const url = new URL(text);
  return url.protocol === 'https:' || ['localhost', '127.0.0.1', '[::1]'].includes(url.hostname);
}

type Say = (path: Complaint['path'], message: string) => void;

function once(seen: Map<string, unknown>, id: string, what: string, path: () => Complaint['path'], say: Say): void {
  if (seen.has(id)) say(path(), `${what} is defined twice`);
  seen.set(id, what);
}

function ambiguousTeam(
  owners: Map<string, string>,
  team: string,
  owner: string,
  path: Complaint['path'],
  say: Say,
): void {
  const other = owners.get(team);
  if (other !== undefined && other !== owner) {
    say(path, `a token cannot tell this team from the one of '${other}': set auth.jwt.claims.organization`);
  }
  owners.set(team, owner);
}

function teamComplaints(team: TeamSettings, at: Complaint['path'], say: Say): void {
  budgetComplaints(team.budgets, [...at, 'budgets'], say);
  budgetComplaints(team.users.default.budgets, [...at, 'users', 'default', 'budgets'], say);
}

function keyComplaints(
  entry: TeamSettings['keys'][number],
  team: TeamSettings,
  at: Complaint['path'],
  seen: { readonly keys: Map<string, string>; readonly keyIds: Map<string, string> },
  say: Say,
): void {
  const settings = isKeyObject(entry) ? entry : undefined;
  const secret = isKeyObject(entry) ? entry.key : entry;
  const value = secret.reveal();
  if (isKeyedHash(value) && !isWholeKeyedHash(value)) say(at, 'not a whole keyed hash: it was cut or changed');
  if (value !== '') {
    const owner = seen.keys.get(value);
    if (owner !== undefined) say(at, `the same key is given to team '${owner}' as well: a key names one caller`);
    seen.keys.set(value, team.id);
  }
  if (settings?.id !== undefined) once(seen.keyIds, settings.id, `key '${settings.id}'`, () => [...at, 'id'], say);
  if (settings !== undefined) budgetComplaints(settings.budgets, [...at, 'budgets'], say);
}

/** A key is written as its secret alone, or as a mapping that says more. */
export function isKeyObject(entry: TeamSettings['keys'][number]): entry is KeySettings {
  return 'key' in entry;
}

function budgetComplaints(budgets: readonly BudgetSettings[], at: Complaint['path'], say: Say): void {
  const counters = new Map<string, unknown>();
  for (const [index, budget] of budgets.entries()) {
    const path = [...at, index];
    const units = (['limit_usd', 'limit_tokens', 'limit_requests'] as const).filter(
      (unit) => budget[unit] !== undefined,
    );
    if (units.length !== 1) say(path, 'a budget has exactly one of limit_usd, limit_tokens, limit_requests');
    if (budget.limit_usd !== undefined && nanoUsd(budget.limit_usd) === undefined) {
      say([...path, 'limit_usd'], 'must be at most 9007199 dollars, with at most nine decimals');
    }
    for (const unit of ['limit_tokens', 'limit_requests'] as const) {
      if ((budget[unit] ?? 0) > Number.MAX_SAFE_INTEGER) say([...path, unit], 'must be at most 2^53');
    }
    if (budget.on_exceed === 'substitute' || budget.on_exceed === 'throttle') {
      say([...path, 'on_exceed'], `'${budget.on_exceed}' is not supported yet; use deny or warn`);
    }
    if (!knownZone(budget.time_zone)) say([...path, 'time_zone'], `'${budget.time_zone}' is not a known time zone`);
    const counter = `${budget.window} ${units.join()}`;
    if (counters.has(counter)) say(path, `a second budget for the same ${budget.window}: they would share one counter`);
    counters.set(counter, budget);
  }
}

function knownZone(zone: string): boolean {
  try {
    new Intl.DateTimeFormat('en', { timeZone: zone });
    return true;
  } catch {
    return false;
  }
}
