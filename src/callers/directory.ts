import type { Secret } from '../exchange/index.ts';
import { assertionOf } from './assertion.ts';
import { isKeyObject } from './check.ts';
import { credentialOf, refused } from './credential.ts';
import type { Directory, Headers, Identity } from './identity.ts';
import { isKeyedHash, type KeyHash, keyHash, publicId } from './key.ts';
import type { KeyStore, StoredKey } from './key-store.ts';
import type { AuthSettings, KeySettings, OrganizationSettings, TeamSettings } from './settings.ts';
import { compileTeam, type Team } from './team.ts';
import { looksLikeToken, type TokenReader, tokenReader } from './token.ts';

/** A directory that cannot be built; the message says which key and team. */
export class DirectoryError extends Error {
  override readonly name = 'DirectoryError';
}

export interface DirectoryOptions {
  /** Keys made at run time; without it only the configured ones are known. */
  readonly store?: KeyStore;
  /** Unix ms. */
  readonly clock?: () => number;
}

/** A key that is known, ready to answer. */
interface Entry {
  readonly identity: Identity;
  readonly team: Team;
  readonly mayAssert: boolean;
  /** Unix ms from which it opens nothing; infinite where it does not end. */
  readonly ends_ms: number;
}

/** Who asks, by keys and tokens. Throws `DirectoryError` when two teams have the same key. */
export function buildDirectory(
  organizations: readonly OrganizationSettings[],
  auth: AuthSettings,
  serverSecret: Secret,
  { store, clock = Date.now }: DirectoryOptions = {},
): Directory {
  const hashOf = keyHash(serverSecret);
  const teams = compileTeams(organizations);
  const configured = auth.keys ? configuredKeys(organizations, teams, hashOf) : new Map<string, Entry>();
  const stored = auth.keys && store !== undefined ? storedKeys(store, teams) : () => undefined;
  const tokens = auth.jwt === undefined ? undefined : tokenReader(auth.jwt, teamFinder(organizations, teams), clock);
  return {
    identify(headers) {
      const credential = credentialOf(headers);
      const hash = hashOf(credential);
      const entry = configured.get(hash) ?? stored(hash);
      if (entry === undefined) return byToken(tokens, credential, hash);
      if (entry.ends_ms !== Number.POSITIVE_INFINITY && clock() >= entry.ends_ms) throw refused();
      return entry.mayAssert ? speakingFor(entry, headers) : entry.identity;
    },
  };
}

function byToken(tokens: TokenReader | undefined, credential: string, hash: string): Identity | Promise<Identity> {
  if (tokens === undefined || !looksLikeToken(credential)) throw refused();
  return tokens.identify(credential, hash);
}

function speakingFor(entry: Entry, headers: Headers): Identity {
  const assertion = assertionOf(headers);
  const silent = assertion.user === undefined && assertion.project === undefined && assertion.tags.length === 0;
  return silent ? entry.identity : entry.team.asserted(entry.identity, assertion);
}

/** Teams by organisation and id. */
type Teams = ReadonlyMap<string, ReadonlyMap<string, Team>>;

function compileTeams(organizations: readonly OrganizationSettings[]): Teams {
  return new Map(
    organizations.map((organization) => [
      organization.id,
      new Map(organization.teams.map((team) => [team.id, compileTeam(organization, team)])),
    ]),
  );
}

function configuredKeys(
  organizations: readonly OrganizationSettings[],
  teams: Teams,
  hashOf: KeyHash,
): ReadonlyMap<string, Entry> {
  const entries = new Map<string, Entry>();
  const ids = new Set<string>();
  for (const organization of organizations) {
    for (const settings of organization.teams) {
      const team = teams.get(organization.id)?.get(settings.id);
      if (team === undefined) continue;
      for (const key of settings.keys) addConfigured(key, team, hashOf, entries, ids);
    }
  }
  return entries;
}

const plain: Omit<KeySettings, 'key'> = {
  scopes: ['policy:evaluate'],
  tags: [],
  may_assert: false,
  budgets: [],
  limits: {},
};

function addConfigured(
  key: TeamSettings['keys'][number],
  team: Team,
  hashOf: KeyHash,
  entries: Map<string, Entry>,
  ids: Set<string>,
): void {
  const settings = isKeyObject(key) ? key : { ...plain, key };
  const text = settings.key.reveal();
  if (text === '') return;
  const isHash = isKeyedHash(text);
  const hash = isHash ? text : hashOf(text);
  const id = settings.id ?? publicId(isHash ? undefined : text, hash);
  if (entries.has(hash))
    throw new DirectoryError(`team '${team.id}': a key ('${id}') is given twice; a key names one caller`);
  if (ids.has(id)) throw new DirectoryError(`team '${team.id}': the key id '${id}' is used twice`);
  ids.add(id);
  entries.set(hash, {
    team,
    mayAssert: settings.may_assert,
    ends_ms: instant(settings.expires_at),
    identity: team.identity({
      kind: 'key',
      key: callerKey(id, settings.scopes, settings.may_assert, settings.expires_at),
      ...(settings.user === undefined ? {} : { user: { id: settings.user, roles: [], permissions: [] } }),
      ...(settings.project === undefined ? {} : { project: { id: settings.project } }),
      tags: settings.tags,
      ...(settings.models === undefined ? {} : { models: settings.models }),
      budgets: settings.budgets,
      limits: settings.limits,
    }),
  });
}

/** Entries of stored keys, made when first asked for and forgotten with the record they were made from. */
function storedKeys(store: KeyStore, teams: Teams): (hash: string) => Entry | undefined {
  const entries = new WeakMap<StoredKey, Entry>();
  return (hash) => {
    const key = store.byHash(hash);
    if (key === undefined) return undefined;
    let entry = entries.get(key);
    if (entry === undefined) {
      const team = teams.get(key.organization)?.get(key.team);
      if (team === undefined) return undefined;
      entry = storedEntry(key, team);
      entries.set(key, entry);
    }
    return entry;
  };
}

function storedEntry(key: StoredKey, team: Team): Entry {
  return {
    team,
    mayAssert: key.may_assert,
    ends_ms: Math.min(instant(key.expires_at), instant(key.revoked_at)),
    identity: team.identity({
      kind: 'key',
      key: callerKey(key.id, key.scopes, key.may_assert, key.expires_at),
      ...(key.models === undefined ? {} : { models: key.models }),
      budgets: [],
      limits: {},
    }),
  };
}

function callerKey(id: string, scopes: readonly string[], mayAssert: boolean, expiresAt: string | undefined) {
  return { id, scopes, mayAssert, ...(expiresAt === undefined ? {} : { expiresAt }) };
}

/** An RFC 3339 time in Unix ms. What cannot be read is over: a key never lives longer by a misspelt date. */
function instant(time: string | undefined): number {
  if (time === undefined) return Number.POSITIVE_INFINITY;
  const at_ms = Date.parse(time);
  return Number.isNaN(at_ms) ? Number.NEGATIVE_INFINITY : at_ms;
}

function teamFinder(organizations: readonly OrganizationSettings[], teams: Teams) {
  return (team: string, organization: string | undefined): Team | undefined => {
    if (organization !== undefined) return teams.get(organization)?.get(team);
    const owners = organizations.filter(({ id }) => teams.get(id)?.has(team));
    return owners.length === 1 && owners[0] !== undefined ? teams.get(owners[0].id)?.get(team) : undefined;
  };
}
