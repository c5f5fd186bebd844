import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { ensureServerSecret, openKeyStore } from './callers/index.ts';
import { type LoadedConfig, problemText, type Settings, watchConfig } from './config.ts';
import type { Secret } from './exchange/index.ts';
import { adminPorts } from './gateway/admin-ports.ts';
import { watchLedger } from './gateway/ledger-figures.ts';
import { closeWithin, listen } from './gateway/listening.ts';
import { openAudit, openLedger } from './gateway/open-stores.ts';
import { closeProviders, firstModel, pin } from './gateway/pin.ts';
import { mustRestart } from './gateway/restart-needed.ts';
import { type Log, openLog, openMetrics, type Trail } from './observe/index.ts';
import { ObservedOutputs, type Pinned, type Walk } from './pipeline/index.ts';
import { openTokenCounter } from './providers/index.ts';
import { buildAdminListener } from './surfaces/http/admin.ts';
import { buildDataListener } from './surfaces/http/data.ts';
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

export interface Gateway {
  /** `http://host:port` of each listener that is on. */
  readonly addresses: { readonly data: string; readonly admin: string | undefined; readonly metrics: string };
  readonly settings: Settings;
  /** How many policies are in force, and the id of their program. */
  readonly policies: number;
  readonly program: string;
  /** A model that can be asked for. */
  readonly firstModel: string;
  readonly log: Log;
  /** Every route of the data listener, and how it answers for its calls. */
  readonly routes: readonly JudgedRoute[];
  reload(): Promise<void>;
  /** Takes no new calls, lets running ones end within the grace, then closes everything. */
  close(): Promise<void>;
}

/** Puts the gateway together and listens. Rejects with what is wrong; then nothing is left open. */
export async function openGateway(options: GatewayOptions): Promise<Gateway> {
  const { settings } = options.loaded;
  if (settings === undefined) throw new Error(options.loaded.problems.map(problemText).join('\n'));
  const opened: (() => Promise<unknown> | unknown)[] = [];
  try {
    return await assemble(options, settings, opened);
  } catch (thrown) {
    for (const close of opened.reverse()) await close();
    throw thrown;
  }
}

async function assemble(
  options: GatewayOptions,
  settings: Settings,
  opened: (() => Promise<unknown> | unknown)[],
): Promise<Gateway> {
  const owner = `gateway-${process.pid}`;
  const log = openLog({ level: settings.telemetry.log_level });
  const metrics = openMetrics();
  const dataDir = settings.state.path;
  const serverSecret = ensureServerSecret(dataDir, settings.auth.hash_secret);
  const keys = openKeyStore(join(dataDir, 'keys.json'), {
    onProblem: (error) => log.warn('key store cannot be read', { error }),
  });
  opened.push(() => keys.close());
  let pinned = pin(settings, keys, serverSecret);
  opened.push(() => closeProviders(pinned));
  let current = settings;
  const ledger = await openLedger(settings, owner, log, { onLoss: () => current.state.on_loss });
  opened.push(() => ledger.close());
  const trail = await openAudit(settings, log);
  opened.push(() => trail.close());

  const tokens = openTokenCounter();
  opened.push(() => tokens.close());

  const walk: Walk = {
    pinned: () => pinned,
    ledger,
    trail,
    metrics,
    tokens,
    outputs: new ObservedOutputs(),
    log,
    clock: Date.now,
    monotonic: () => performance.now(),
    random: Math.random,
    owner,
  };
  let closing = false;
  /** Why the last change was refused, while it is. */
  let refusals: readonly string[] = [];
  const adminKeys = adminKeysOf(settings, options);
  const data = buildDataListener({
    walk,
    body_bytes_max: settings.server.body_bytes_max,
    in_flight_bytes_max: settings.server.in_flight_bytes_max,
    trustedProxies: settings.server.trusted_proxies,
    ready: () => readiness(trail, closing),
  });
  opened.push(() => data.app.close());
  const figures = watchLedger(metrics, trail, ledger, () => current.organizations.map(({ id }) => id));
  const metricsListener = buildMetricsListener(metrics, async () => {
    const open = pinned.health.open();
    for (const { id } of pinned.catalog.providers) metrics.circuit(id, open.has(id));
    await figures.refresh();
  });
  opened.push(() => metricsListener.close());

  /** Providers of configurations that are no longer in force, until the last exchange that pinned them must be over. */
  const retired = new Set<Pinned>();
  const retire = async (old: Pinned): Promise<void> => {
    retired.delete(old);
    await closeProviders(old);
  };
  const apply = (next: Settings): void => {
    mustRestart(current, next, adminKeys.length > 0);
    const old = pinned;
    pinned = pin(next, keys, serverSecret);
    current = next;
    refusals = [];
    log.level(next.telemetry.log_level);
    metrics.program(pinned.program.id);
    log.info('configuration in force', { program: pinned.program.id });
    retired.add(old);
    setTimeout(() => retire(old), old.limits.timeout_ms).unref();
  };
  metrics.program(pinned.program.id);
  const watching =
    options.watch === false
      ? undefined
      : watchConfig(
          options.load,
          apply,
          (problems) => {
            refusals = problems.map(problemText);
            for (const { file, line = 0, column = 0, message } of problems) {
              const place = line === 0 ? file : `${file}:${line}:${column}`;
              log.error('configuration refused, the last good one stays', { file: place, state: message });
            }
          },
          { initial: options.loaded },
        );
  opened.push(() => watching?.close());

  const admin =
    adminKeys.length === 0
      ? undefined
      : buildAdminListener(
          adminPorts({
            walk,
            keys,
            reconciled: (differences) => figures.reconciled(differences),
            serverSecret,
            adminKeys: () => adminKeysOf(current, options),
            ledger,
            trail,
            settings: () => current,
            async reload() {
              const outcome = await watching?.reload();
              return { applied: outcome !== 'refused', problems: outcome === 'refused' ? refusals : [] };
            },
            readiness: () => readiness(trail, closing),
          }),
        );
  if (admin !== undefined) opened.push(() => admin.close());

  const { server } = settings;
  const addresses = {
    data: await listen(data.app, { ...server, section: 'server' }),
    metrics: await listen(metricsListener, { ...settings.metrics, section: 'metrics' }),
    admin: admin === undefined ? undefined : await listen(admin, { ...settings.admin, section: 'admin' }),
  };
  return {
    addresses,
    get settings() {
      return current;
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
    routes: data.routes,
    reload: async () => {
      await watching?.reload();
    },
    async close() {
      closing = true;
      await watching?.close();
      await closeWithin(data, current.server.shutdown_grace_ms);
      await Promise.all([metricsListener.close(), admin?.close()]);
      await trail.close();
      await ledger.close();
      await tokens.close();
      await Promise.all([closeProviders(pinned), ...[...retired].map(retire)]);
      await keys.close();
      metrics.close();
    },
  };
}

function adminKeysOf({ admin }: Settings, { adminKeys = [] }: GatewayOptions): readonly Secret[] {
  return [...admin.keys, ...adminKeys].filter((key) => !key.empty);
}

function readiness(trail: Trail, closing: boolean): { ready: boolean; reasons: string[] } {
  const reasons: string[] = [];
  if (closing) reasons.push('shutting down');
  if (!trail.state().accepting) reasons.push('the audit trail cannot be written');
  return { ready: reasons.length === 0, reasons };
}
