import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ensureServerSecret, openKeyStore } from '../callers/index.ts';
import type { Settings } from '../config.ts';
import type { GatewayOptions, RunningGateway } from '../gateway.ts';
import { type AuditRecord, openLog, openMetrics, type QueryFilter } from '../observe/index.ts';
import { PolicyTexts } from '../policy/index.ts';
import { buildAdminListener } from '../surfaces/http/admin.ts';
import { buildMetricsListener } from '../surfaces/http/metrics.ts';
import { adminKeysOf } from './admin-keys.ts';
import { adminPorts } from './admin-ports.ts';
import { decisionPoint } from './decision-point.ts';
import { openGrpc } from './grpc.ts';
import { watchLedger } from './ledger-figures.ts';
import { nothingMeasured, openLeftSlots, together } from './left-slots.ts';
import { closeListeners, listen } from './listening.ts';
import { filePolicies, openPolicies } from './managed-policies.ts';
import { openApprovals, openAudit, openLedger } from './open-stores.ts';
import { firstModel, openOverview } from './overview.ts';
import { placeProblems } from './policy-places.ts';
import { openReloading } from './reloading.ts';
import { mustRestart } from './restart-needed.ts';
import { ownerName, workerCount } from './slots.ts';
import { type Opened, openWhole, settingsOf } from './whole.ts';
import { Pool } from './workers/pool.ts';

export interface FleetOptions extends GatewayOptions {
  /** The program of a worker; default the one beside this file. */
  readonly program?: string;
}

/** A gateway whose calls are answered by workers of it. */
export interface Fleet extends RunningGateway {
  readonly workers: number;
  /** Replaces the workers one by one; resolves when all are new. */
  restart(): Promise<void>;
}

/**
 * Starts the workers, and in this process what there must be once: it watches the configuration, has the admin and the
 * metrics listener, and replaces workers that end. Rejects with what is wrong; then nothing is left open.
 */
export async function openFleet(options: FleetOptions): Promise<Fleet> {
  const first = settingsOf(options.loaded);
  return await openWhole(first.state.path, (opened) => assemble(options, first, opened));
}

async function assemble(options: FleetOptions, first: Settings, opened: Opened): Promise<Fleet> {
  const program = options.program ?? fileURLToPath(new URL('./workers/worker-program.js', import.meta.url));
  const log = openLog({ level: first.telemetry.log_level });
  const metrics = openMetrics();
  const adminListens = adminKeysOf(first, options).length > 0;
  let settings = first;
  const serverSecret = ensureServerSecret(first.state.path, first.auth.hash_secret);
  const keys = openKeyStore(join(first.state.path, 'keys.json'), {
    onProblem: (error) => log.warn('key store cannot be read', { error }),
  });
  opened(() => keys.close());
  const texts = new PolicyTexts();
  const policies = openPolicies(first, texts, log, (program) => placeProblems(settings, program));
  opened(() => policies.close());
  let pinned = await openOverview(first, keys, serverSecret, policies.program());
  // Read here, spent by the workers: what they have yet to tell it lies in their own places.
  const ledger = await openLedger(first, ownerName(0), log, { reader: true });
  opened(() => ledger.close());
  const approvals = await openApprovals(first);
  opened(() => approvals.close());
  // Changes made on the admin listener are written down here, in a spool of this process.
  const trail = await openAudit(first, log, 0);
  opened(() => trail.close());
  const count = workerCount(first);
  const pool = new Pool({ count, program, adminListens, log, metrics, settings: first });
  const data = await pool.open();
  opened(() => pool.close(0));
  const left = await openLeftSlots(first, count, log);
  opened(() => left.close());

  const organizations = () => settings.organizations.map(({ id }) => id);
  const figures = watchLedger(metrics, () => left.with(trail.state()), ledger, organizations);
  opened(() => figures.close());
  metrics.readWorkers(() => pool.ready);
  const refresh = async () => {
    await figures.refresh();
    return await pool.figures();
  };
  const metricsListener = buildMetricsListener(metrics, refresh);
  opened(() => metricsListener.close());

  const reloading = openReloading(options, log, async (next: Settings) => {
    mustRestart(settings, next, adminListens);
    const files = policies.rebase(filePolicies(next, texts, (program) => placeProblems(next, program)));
    const made = await openOverview(next, keys, serverSecret, files.program);
    await pool.swap(next);
    pinned = made;
    settings = next;
    files.commit();
    log.level(next.telemetry.log_level);
    log.info('configuration in force', { program: made.program.id });
  });
  opened(() => reloading.close());
  policies.subscribe(({ program: id }) => {
    if (id !== pinned.program.id) pinned = { ...pinned, program: policies.program() };
  });

  const restart = (): Promise<void> => pool.restart(settings.server.shutdown_grace_ms);
  const restartSoon = (): void => {
    restart().catch((error: unknown) => log.error('workers are not replaced any further', { error }));
  };
  process.on('SIGUSR2', restartSoon);
  opened(() => process.off('SIGUSR2', restartSoon));

  const record = (one: AuditRecord) => trail.end(one);
  const recent = (filter: QueryFilter) => pool.recent(filter, trail.recent(filter));
  const point = decisionPoint({
    ...{ policies, metrics, record, recent },
    evaluations: () => pool.evaluations(),
    pinned: () => pinned,
    settings: () => settings,
  });
  const admin = adminListens
    ? buildAdminListener(
        adminPorts({
          log,
          pinned: () => pinned,
          keys,
          serverSecret,
          adminKeys: () => adminKeysOf(settings, options),
          ledger,
          approvals,
          reconciled: (organization, differences) => figures.reconciled(organization, differences),
          record,
          recent,
          point,
          settings: () => settings,
          reload: () => reloading.reload(),
          async health() {
            const ready = pool.ready;
            const reasons = ready > 0 ? [] : ['no worker is ready'];
            const audit = left.with(together(trail.state(), await pool.audit(nothingMeasured)));
            return { ready: ready > 0, reasons, audit, workers: { ready, wanted: count } };
          },
          workers: () => pool.views,
          restartWorkers: restartSoon,
          retryAside: async () => (await pool.retryAside()) + (await trail.retryAside()) + (await left.retry()),
        }),
      )
    : undefined;
  if (admin !== undefined) opened(() => admin.close());

  // Deciding needs no provider, no ledger and no worker: it is answered here.
  const grpc = await openGrpc(first, {
    point,
    metrics: async () => ({ contentType: metrics.contentType, text: await metrics.render(await refresh()) }),
    ready: () => pool.ready > 0,
    log,
  });
  opened(() => grpc?.close(0));

  const addresses = {
    data,
    grpc: grpc?.address,
    metrics: await listen(metricsListener, { ...first.metrics, section: 'metrics' }),
    admin: admin === undefined ? undefined : await listen(admin, { ...first.admin, section: 'admin' }),
  };
  return {
    addresses,
    workers: count,
    get settings() {
      return settings;
    },
    get policies() {
      return pinned.program.policies.length;
    },
    get program() {
      return pinned.program.id;
    },
    get firstModel() {
      return firstModel(pinned);
    },
    log,
    reload: async () => {
      await reloading.reload();
    },
    restart,
    async close() {
      process.off('SIGUSR2', restartSoon);
      figures.close();
      policies.close();
      const { shutdown_grace_ms } = settings.server;
      const began = performance.now();
      // Calls may end now, whatever a worker takes that is asked to prepare a configuration.
      await Promise.all([reloading.close(), pool.close(shutdown_grace_ms), grpc?.close(shutdown_grace_ms)]);
      await left.close();
      await closeListeners([metricsListener, admin], shutdown_grace_ms - (performance.now() - began));
      await trail.close();
      await Promise.all([ledger.close(), approvals.close()]);
      await keys.close();
      metrics.close();
    },
  };
}
