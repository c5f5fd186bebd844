import { limitComplaints, matchComplaints, namedComplaints, type Say, sharedComplaints } from './check-limits.ts';
import { isKeyedHash, isWholeKeyedHash } from './key.ts';
import type { AuthSettings, KeySettings, OrganizationSettings, TeamSettings } from './settings.ts';

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
    limitComplaints(organization, [o], say);
    namedComplaints(organization.projects, [o, 'projects'], say);
    matchComplaints(organization, [o], say);
    const teamIds = new Map<string, string>();
    for (const [t, team] of organization.teams.entries()) {
      const at = [o, 'teams', t] as const;
      once(teamIds, team.id, `team '${team.id}'`, () => [...at, 'id'], say);
      if (auth.jwt !== undefined && auth.jwt.claims.organization === undefined) {
        ambiguousTeam(teamOwners, team.id, organization.id, [...at, 'id'], say);
      }
      teamComplaints(team, at, say);
      sharedComplaints(organization, team, at, say);
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
  limitComplaints(team, at, say);
  namedComplaints(team.users, [...at, 'users'], say);
  matchComplaints(team, at, say);
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
  if (settings !== undefined) limitComplaints(settings, at, say);
}

/** A key is written as its secret alone, or as a mapping that says more. */
export function isKeyObject(entry: TeamSettings['keys'][number]): entry is KeySettings {
  return 'key' in entry;
}
