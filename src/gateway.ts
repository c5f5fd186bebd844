import type { LoadedConfig, Settings } from './config.ts';
import { Failure, type Secret } from './exchange/index.ts';
import { adminKeysOf } from './gateway/admin-keys.ts';
import { adminPorts } from './gateway/admin-ports.ts';
import { openGrpc } from './gateway/grpc.ts';
import { watchLedger } from './gateway/ledger-figures.ts';
import { type LeftSlots, openLeftSlots } from './gateway/left-slots.ts';
import { closeListeners, listen } from './gateway/listening.ts';
import { firstModel } from './gateway/overview.ts';
import { openReloading } from './gateway/reloading.ts';
import { openServing, type Serving } from './gateway/serving.ts';
import { type Opened, openWhole, settingsOf } from './gateway/whole.ts';
import { type Log, openLog, openMetrics } from './observe/index.ts';
import { buildAdminListener } from './surfaces/http/admin.ts';
import type { JudgedRoute } from './surfaces/http/judgement.ts';
import { buildMetricsListener } from './surfaces/http/metrics.ts';

export interface GatewayOptions {
  /** What is loaded now; it has settings. */
  readonly loaded: LoadedConfig;
  /** Loads the configuration again. */
  load(): Promise<LoadedConfig>;
  /** Admin keys beside the configured ones (`npm start` makes one). */
  readonly adminKeys?: readonly Secret[];
  /** Off: files are read once. */
  readonly watch?: boolean;
}

/** A gateway that serves, in this process or in workers of it. */
export interface RunningGateway {
  /** `http://host:port` of each listener that is on; `host:port` of gRPC. */
  readonly addresses: {
    readonly data: string;
    readonly admin: string | undefined;
    readonly metrics: string;
    readonly grpc: string | undefined;
  };
  readonly settings: Settings;
  /** How many policies are in force, and the id of their program. */
  readonly policies: number;
  readonly program: string;
  /** A model that can be asked for. */
  readonly firstModel: string;
  readonly log: Log;
  reload(): Promise<void>;
  /** Takes no new calls, lets running ones end within the grace, then closes everything. */
  close(): Promise<void>;
}

export interface Gateway extends RunningGateway {
  /** Every route of the data listener, and how it answers for its calls. */
  readonly routes: readonly JudgedRoute[];
}

/** Puts the gateway together and listens. Rejects with what is wrong; then nothing is left open. */
export async function openGateway(options: GatewayOptions): Promise<Gateway> {
  const first = settingsOf(options.loaded);
  return await openWhole(first.state.path, (opened) => assemble(options, first, opened));
}

async function assemble(options: GatewayOptions, first: Settings, opened: Opened): Promise<Gateway> {
  const log = openLog({ level: first.telemetry.log_level });
  const metrics = openMetrics();
  const adminListens = adminKeysOf(first, options).length > 0;
  const serving = await openServing({
    settings: first,
    slot: 1,
    log,
    metrics,
    adminListens,
    opened,
  });
  const { ledger, trail } = serving;
  const left = await openLeftSlots(first, 1, log);
  opened(() => left.close());
  const organizations = () => serving.settings.organizations.map(({ id }) => id);
  const figures = watchLedger(metrics, () => left.with(trail.state()), ledger, organizations);
  const refresh = async (): Promise<undefined> => {
    serving.refreshCircuits();
    await figures.refresh();
  };
  const metricsListener = buildMetricsListener(metrics, refresh);
  opened(() => figures.close());
  metrics.readWorkers(() => 1);
  opened(() => metricsListener.close());

  const reloading = openReloading(options, log, (next: Settings) => {
    serving.prepare(next).commit();
    log.info('configuration in force', { program: serving.pinned.program.id });
  });
  opened(() => reloading.close());

  const admin = adminListens
    ? buildAdminListener(
        adminPorts({
          ...partsOf(serving, left),
          reconciled: (organization, differences) => figures.reconciled(organization, differences),
          adminKeys: () => adminKeysOf(serving.settings, options),
          reload: () => reloading.reload(),
        }),
      )
    : undefined;
  if (admin !== undefined) opened(() => admin.close());

  const grpc = await openGrpc(first, {
    point: serving.point,
    metrics: async () => ({ contentType: metrics.contentType, text: await metrics.render(await refresh()) }),
    ready: () => serving.readiness().ready,
    log,
  });
  opened(() => grpc?.close(0));

  const addresses = {
    grpc: grpc?.address,
    data: await listen(serving.data.app, { ...first.server, section: 'server' }),
    metrics: await listen(metricsListener, { ...first.metrics, section: 'metrics' }),
    admin: admin === undefined ? undefined : await listen(admin, { ...first.admin, section: 'admin' }),
  };
  return {
    addresses,
    get settings() {
      return serving.settings;
    },
    get policies() {
      return serving.pinned.program.policies.length;
    },
    get program() {
      return serving.pinned.program.id;
    },
    get firstModel() {
      return firstModel(serving.pinned);
    },
    log,
    routes: serving.data.routes,
    reload: async () => {
      await reloading.reload();
    },
    async close() {
      serving.leaving();
      figures.close();
      const { shutdown_grace_ms } = serving.settings.server;
      const began = performance.now();
      await Promise.all([reloading.close(), serving.stop(shutdown_grace_ms), grpc?.close(shutdown_grace_ms)]);
      // What an administrator is changing now is recorded still.
      await closeListeners([metricsListener, admin], shutdown_grace_ms - (performance.now() - began));
      await serving.close(0);
      await left.close();
      metrics.close();
    },
  };
}

/** What the admin listener is told of a gateway that serves in this process. */
function partsOf(serving: Serving, left: LeftSlots) {
  const since = new Date().toISOString();
  const { walk, keys, serverSecret, ledger, trail, point } = serving;
  const { approvals } = walk;
  return {
    log: walk.log,
    pinned: () => serving.pinned,
    keys,
    serverSecret,
    ledger,
    point,
    approvals,
    record: (record: Parameters<typeof trail.end>[0]) => trail.end(record),
    recent: (filter: Parameters<typeof trail.recent>[0]) => trail.recent(filter),
    settings: () => serving.settings,
    health: async () => ({ ...serving.readiness(), audit: trail.state(), workers: { ready: 1, wanted: 1 } }),
    workers: () => [{ slot: 1, pid: process.pid, state: 'ready' as const, since, crashes: 0, restarts: 0 }],
    restartWorkers() {
      throw new Failure('invalid_request', 'This gateway is one process: there are no workers to replace.', {
        status: 409,
      });
    },
    retryAside: async () => (await trail.retryAside()) + (await left.retry()),
  };
}
