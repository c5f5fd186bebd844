import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import {
  createKey,
  hashKey,
  isKeyedHash,
  type KeyStore,
  KeyStoreError,
  publicId,
  type StoredKey,
  scopeNames,
} from '../callers/index.ts';
import { printable, type Settings } from '../config.ts';
import { Failure, type Secret } from '../exchange/index.ts';
import {
  type AuditRecord,
  changeRecord,
  type Log,
  listAside,
  type QueryFilter,
  queryTrail,
  type RecordChange,
} from '../observe/index.ts';
import { type Approvals, type Ledger, LedgerUnavailable } from '../stores/index.ts';
import type { DecisionPoint } from '../surfaces/decision/point.ts';
import { type AdminPorts, isOneOf, type KeyView } from '../surfaces/http/admin.ts';
import { approvalPorts } from './approval-ports.ts';
import { BudgetChanges } from './budget-changes.ts';
import { forecastReport, listBudgets, spendingReport } from './budget-reports.ts';
import { configuredLimits } from './configured-limit.ts';
import { driftView } from './counter-view.ts';
import type { LedgerFigures } from './ledger-figures.ts';
import type { Overview } from './overview.ts';

export interface AdminParts {
  readonly log: Log;
  /** Policies and models in force. */
  pinned(): Overview;
  readonly keys: KeyStore;
  readonly serverSecret: Secret;
  /** Those in force now. */
  adminKeys(): readonly Secret[];
  readonly ledger: Ledger;
  readonly approvals: Approvals;
  /** Told what a reconciliation left standing. */
  reconciled: LedgerFigures['reconciled'];
  /** Writes down a change somebody made. */
  record(record: AuditRecord): Promise<void>;
  /** Records that are in no file: those of late, newest first. */
  recent(filter: QueryFilter): readonly AuditRecord[] | Promise<readonly AuditRecord[]>;
  settings(): Settings;
  /** Reads the configuration again; where that is refused, why. */
  reload: AdminPorts['reload'];
  readonly point: DecisionPoint;
  /** Whether calls are taken, and how the trail and the workers are. */
  health: AdminPorts['health'];
  workers: AdminPorts['workers'];
  restartWorkers: AdminPorts['restartWorkers'];
  /** Tries records that were set aside once more, in every process; how many were taken. */
  retryAside(): Promise<number>;
}

/** What the admin listener may do, made of the gateway's parts. */
export function adminPorts(parts: AdminParts): AdminPorts {
  const { log, pinned, keys, serverSecret, ledger, settings } = parts;
  const organizations = (one: string | undefined): readonly string[] => {
    if (one === undefined) return settings().organizations.map(({ id }) => id);
    return [organizationOf(settings(), one).id];
  };
  const changes = new BudgetChanges({
    ledger,
    trail: { end: (record) => parts.record(record) },
    serverSecret,
    settings,
  });
  const limitOf = configuredLimits(settings, serverSecret);
  const changed = (organization: string, route: string, change: RecordChange): Promise<void> => {
    const exchange = `ex_${randomUUID().replaceAll('-', '')}`;
    return parts.record(changeRecord({ exchange, time_ms: Date.now(), organization, route, change }));
  };
  return {
    ...approvalPorts({ approvals: parts.approvals, directory: () => pinned().directory, changed }),
    isAdmin(credential) {
      const keys = parts.adminKeys();
      const hashes = keys.filter((key) => isKeyedHash(key.reveal()));
      const plain = keys.filter((key) => !isKeyedHash(key.reveal()));
      return isOneOf(credential, plain) || isOneOf(hashKey(credential, serverSecret), hashes);
    },
    adminName: (credential) => publicId(undefined, hashKey(credential, serverSecret)),
    budgets: (organization) => reachable(() => listBudgets(ledger, organizations(organization), Date.now())),
    async reconcile(organization, repair, by) {
      const differences: { organization: string; key: string; counted: number; rebuilt: number }[] = [];
      for (const id of organizations(organization)) {
        const found = await reachable(() => ledger.reconcile(id, { repair }));
        parts.reconciled(id, repair ? [] : found);
        differences.push(...found.map((one) => ({ organization: id, ...one })));
      }
      const views = differences.map(({ organization: id, ...one }) => ({ organization: id, ...driftView(one) }));
      if (repair) {
        for (const { organization: id, key, ...sums } of views) {
          await changed(id, '/admin/v1/budgets/reconcile', { action: 'budget.repair', by, target: key, after: sums });
        }
      }
      return views;
    },
    overrides: (organization) => reachable(() => changes.list(organizations(organization))),
    setOverride: (wish, by) => reachable(() => changes.set(wish, by)),
    clearOverride: (name, by) => reachable(() => changes.clear(name, by)),
    resetBudget: (name, by) => reachable(() => changes.reset(name, by)),
    spending: ({ organization, ...wish }) =>
      reachable(() => spendingReport(ledger, organizations(organization), wish)).catch((thrown: unknown) => {
        throw thrown instanceof RangeError ? new Failure('invalid_request', thrown.message, { param: 'by' }) : thrown;
      }),
    forecast: (organization) =>
      reachable(() => forecastReport(ledger, organizations(organization), Date.now(), limitOf)),
    keys: () => keys.list().map(view),
    async createKey(wanted, by) {
      teamMustExist(settings(), wanted);
      const unknown = wanted.scopes?.find((scope) => !scopeNames.some((name) => name === scope));
      if (unknown !== undefined) {
        const message = `There is no scope '${unknown}'; there is ${scopeNames.join(', ')}.`;
        throw new Failure('invalid_request', message, { param: 'scopes' });
      }
      const created = createKey(wanted, serverSecret, Date.now());
      await asked(() => keys.add(created.stored));
      log.info('key created', { key: created.stored.id, team: wanted.team, organization: wanted.organization });
      const { id: target, team } = created.stored;
      await changed(wanted.organization, '/admin/v1/keys', { action: 'key.create', by, target, after: { team } });
      return { ...view(created.stored), key: created.key.reveal() };
    },
    async revokeKey(id, by) {
      if (!keys.list().some((key) => key.id === id)) {
        const message = `No key '${id}' was made here; what the configuration defines is changed there.`;
        throw new Failure('invalid_request', message, { status: 404 });
      }
      const revoked = await asked(() => keys.revoke(id, new Date().toISOString()));
      log.info('key revoked', { key: id, team: revoked.team, organization: revoked.organization });
      const { organization, team } = revoked;
      await changed(organization, '/admin/v1/keys', { action: 'key.revoke', by, target: id, before: { team } });
      return view(revoked);
    },
    async rotateKey(id, grace_seconds, by) {
      const old = keys.list().find((key) => key.id === id);
      if (old === undefined) {
        const message = `No key '${id}' was made here; what the configuration defines is changed there.`;
        throw new Failure('invalid_request', message, { status: 404 });
      }
      const over = old.expires_at !== undefined && Date.parse(old.expires_at) <= Date.now();
      if (over || old.revoked_at !== undefined) {
        const message = `The key '${id}' was revoked or has expired: make a new one.`;
        throw new Failure('invalid_request', message, { status: 409 });
      }
      const created = createKey({ ...old, rotated_from: id }, serverSecret, Date.now());
      const ends = new Date(Date.now() + grace_seconds * 1000).toISOString();
      await asked(() => keys.add(created.stored));
      await asked(() => keys.revoke(id, ends));
      const { id: target, team, organization } = created.stored;
      log.info('key rotated', { key: target, team, organization });
      const change = { action: 'key.rotate', by, target, before: { key: id, ends }, after: { team } } as const;
      await changed(organization, '/admin/v1/keys', change);
      return { ...view(created.stored), key: created.key.reveal() };
    },
    records: (filter) => recordsOf(settings(), parts.recent, filter),
    aside: () => listAside(join(settings().state.path, 'spool')),
    retryAside: () => parts.retryAside(),
    config: () => printable(settings()),
    policies: () => ({ program: pinned().program.id, policies: pinned().program.policies }),
    point: parts.point,
    models: () => ({ models: pinned().catalog.list() }),
    health: () => parts.health(),
    workers: () => parts.workers(),
    restartWorkers: () => parts.restartWorkers(),
    reload: () => parts.reload(),
  };
}

/** A key without its hash: a stored hash is no credential, and nobody needs to see it. */
function view({ hash: _hash, ...rest }: StoredKey): KeyView {
  return { ...rest };
}

function organizationOf({ organizations }: Settings, id: string) {
  const known = organizations.find((organization) => organization.id === id);
  if (known !== undefined) return known;
  throw new Failure('invalid_request', `There is no organization '${id}'.`, { param: 'organization' });
}

function teamMustExist(settings: Settings, { organization, team }: { organization: string; team: string }): void {
  if (organizationOf(settings, organization).teams.some(({ id }) => id === team)) return;
  throw new Failure('invalid_request', `The organization '${organization}' has no team '${team}'.`, { param: 'team' });
}

/** A lost ledger is told as one, not as a fault of ours. */
async function reachable<T>(read: () => Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (thrown) {
    if (!(thrown instanceof LedgerUnavailable)) throw thrown;
    throw new Failure('state_unavailable', 'The ledger cannot be read now.', { retryAfterSeconds: 1, cause: thrown });
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

async function* recordsOf(settings: Settings, recent: AdminParts['recent'], filter: QueryFilter) {
  const [sink] = settings.audit.sinks;
  const path = sink?.path ?? join(settings.state.path, 'audit');
  if (sink === undefined) yield* await recent(filter);
  // The directory comes with its first record.
  else if (existsSync(path))
    for await (const { record } of queryTrail(path, filter, join(settings.state.path, 'spool'))) yield record;
}
