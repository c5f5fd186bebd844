import { existsSync } from 'node:fs';
import { createKey, hashKey, isKeyedHash, type KeyStore, KeyStoreError, type StoredKey } from '../callers/index.ts';
import { type ConfigWatch, printable, type Settings } from '../config.ts';
import { Failure, type Secret } from '../exchange/index.ts';
import { queryTrail, type Trail } from '../observe/index.ts';
import type { Walk } from '../pipeline/index.ts';
import type { Ledger } from '../stores/index.ts';
import { type AdminPorts, isOneOf, type KeyView } from '../surfaces/http/admin.ts';

export interface AdminParts {
  readonly walk: Walk;
  readonly keys: KeyStore;
  readonly serverSecret: Secret;
  readonly adminKeys: readonly Secret[];
  readonly ledger: Ledger;
  readonly trail: Trail;
  settings(): Settings;
  readonly watching: ConfigWatch | undefined;
  readiness(): { readonly ready: boolean; readonly reasons: readonly string[] };
}

/** What the admin listener may do, made of the gateway's parts. */
export function adminPorts(parts: AdminParts): AdminPorts {
  const { walk, keys, serverSecret, ledger, trail, settings, watching } = parts;
  const hashes = parts.adminKeys.filter((key) => isKeyedHash(key.reveal()));
  const plain = parts.adminKeys.filter((key) => !isKeyedHash(key.reveal()));
  const organizations = (one: string | undefined): readonly string[] =>
    one === undefined ? settings().organizations.map(({ id }) => id) : [one];
  return {
    isAdmin: (credential) => isOneOf(credential, plain) || isOneOf(hashKey(credential, serverSecret), hashes),
    async budgets(organization) {
      const counters = await Promise.all(organizations(organization).map((id) => ledger.counters(id)));
      return counters.flat().map(({ limit, spent, held, ...counter }) => ({
        ...counter,
        limit_usd: limit / 1e9,
        spent_usd: spent / 1e9,
        held_usd: held / 1e9,
      }));
    },
    async reconcile(organization, repair) {
      const drift: unknown[] = [];
      for (const id of organizations(organization)) {
        for (const one of await ledger.reconcile(id, { repair })) drift.push({ organization: id, ...one });
      }
      return drift;
    },
    keys: () => keys.list().map(view),
    async createKey(wanted) {
      mustExist(settings(), wanted.organization, wanted.team);
      const created = createKey(wanted, serverSecret, Date.now());
      await asked(() => keys.add(created.stored));
      return { ...view(created.stored), key: created.key.reveal() };
    },
    revokeKey: async (id) => view(await asked(() => keys.revoke(id, new Date().toISOString()))),
    records: (filter) => recordsOf(settings(), trail, filter),
    config: () => printable(settings()),
    policies: () => ({ program: walk.pinned().program.id, policies: walk.pinned().program.policies }),
    models: () => ({ models: walk.pinned().catalog.list() }),
    health: async () => ({ ...parts.readiness(), audit: trail.state() }),
    async reload() {
      const outcome = (await watching?.reload()) ?? 'unchanged';
      return { applied: outcome !== 'refused', problems: outcome === 'refused' ? ['see the log'] : [] };
    },
  };
}

/** A key without its hash: a stored hash is no credential, and nobody needs to see it. */
function view({ hash: _hash, ...rest }: StoredKey): KeyView {
  return { ...rest };
}

function mustExist(settings: Settings, organization: string, team: string): void {
  const known = settings.organizations.find(({ id }) => id === organization);
  if (known === undefined) {
    throw new Failure('invalid_request', `There is no organization '${organization}'.`, { param: 'organization' });
  }
  if (!known.teams.some(({ id }) => id === team)) {
    throw new Failure('invalid_request', `The organization '${organization}' has no team '${team}'.`, {
      param: 'team',
    });
  }
}

async function asked<T>(change: () => Promise<T>): Promise<T> {
  try {
    return await change();
  } catch (thrown) {
    if (!(thrown instanceof KeyStoreError)) throw thrown;
    throw new Failure('invalid_request', thrown.message, { status: 409 });
  }
}

async function* recordsOf(settings: Settings, trail: Trail, filter: Parameters<AdminPorts['records']>[0]) {
  const [sink] = settings.audit.sinks;
  if (sink?.path === undefined) yield* trail.recent(filter);
  // The directory comes with its first record.
  else if (existsSync(sink.path)) for await (const { record } of queryTrail(sink.path, filter)) yield record;
}
