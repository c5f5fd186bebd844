import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import type { FastifyInstance } from 'fastify';
import { buildDirectory, ensureServerSecret, type KeyStore, openKeyStore } from './callers/index.ts';
import { type LoadedConfig, problemText, type Settings, watchConfig } from './config.ts';
import type { Secret } from './exchange/index.ts';
import { adminPorts } from './gateway/admin-ports.ts';
import { watchLedger } from './gateway/ledger-figures.ts';
import { openAudit, openLedger } from './gateway/open-stores.ts';
import { type Log, openLog, openMetrics, type Trail } from './observe/index.ts';
import { Matchers, type Pinned, type Walk, type WalkLimits } from './pipeline/index.ts';
import { compile, type Policy, PolicyError, type PolicyProblem, parsePolicies } from './policy/index.ts';
import { buildCatalog, buildProvider, circuitBreaker, type Provider } from './providers/index.ts';
import { buildAdminListener } from './surfaces/http/admin.ts';
import { buildDataListener } from './surfaces/http/data.ts';
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
  const ledger = await openLedger(settings, owner, log);
  opened.push(() => ledger.close());
  const trail = await openAudit(settings, log);
  opened.push(() => trail.close());

  const walk: Walk = {
    pinned: () => pinned,
    ledger,
    trail,
    metrics,
    log,
    clock: Date.now,
    monotonic: () => performance.now(),
    random: Math.random,
    owner,
  };
  let closing = false;
  let current = settings;
  const data = buildDataListener({
    walk,
    body_bytes_max: settings.server.body_bytes_max,
    in_flight_bytes_max: settings.server.in_flight_bytes_max,
    trustedProxies: settings.server.trusted_proxies,
    ready: () => readiness(trail, closing),
  });
  opened.push(() => data.close());
  const refresh = watchLedger(metrics, trail, ledger, () => current.organizations.map(({ id }) => id));
  const metricsListener = buildMetricsListener(metrics, refresh);
  opened.push(() => metricsListener.close());

  const apply = (next: Settings): void => {
    const old = pinned;
    pinned = pin(next, keys, serverSecret);
    current = next;
    metrics.program(pinned.program.id);
    log.info('configuration in force', { program: pinned.program.id });
    // Exchanges that pinned the old providers send and retry on them until the longest of them must be over.
    const retire = setTimeout(() => closeProviders(old), old.limits.timeout_ms);
    retire.unref();
  };
  metrics.program(pinned.program.id);
  const watching =
    options.watch === false
      ? undefined
      : watchConfig(
          options.load,
          apply,
          (problems) => {
            for (const problem of problems)
              log.error('configuration refused, the last good one stays', { state: problemText(problem) });
          },
          { initial: options.loaded },
        );
  opened.push(() => watching?.close());

  const adminKeys = [...settings.admin.keys, ...(options.adminKeys ?? [])].filter((key) => !key.empty);
  const admin =
    adminKeys.length === 0
      ? undefined
      : buildAdminListener(
          adminPorts({
            walk,
            keys,
            serverSecret,
            adminKeys,
            ledger,
            trail,
            settings: () => current,
            watching,
            readiness: () => readiness(trail, closing),
          }),
        );
  if (admin !== undefined) opened.push(() => admin.close());

  const { server } = settings;
  const addresses = {
    data: await listen(data, server.host, server.port),
    metrics: await listen(metricsListener, settings.metrics.host, settings.metrics.port),
    admin: admin === undefined ? undefined : await listen(admin, settings.admin.host, settings.admin.port),
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
    reload: async () => {
      await watching?.reload();
    },
    async close() {
      closing = true;
      await watching?.close();
      await closeWithin(data, server.shutdown_grace_ms);
      await Promise.all([metricsListener.close(), admin?.close()]);
      await trail.close();
      await ledger.close();
      await closeProviders(pinned);
      await keys.close();
    },
  };
}

/** The demo provider's model where it is on: it answers without an account. */
function firstModel({ catalog }: Pinned): string {
  const models = catalog.list();
  return (models.find(({ provider }) => provider === 'demo') ?? models[0])?.id ?? '';
}

function closeProviders({ catalog }: Pinned): Promise<unknown> {
  return Promise.all(catalog.providers.map((provider) => provider.close()));
}

/** Settings to what an exchange pins. Throws with `problems` what only shows when parts are put together. */
function pin(settings: Settings, keys: KeyStore, serverSecret: Secret): Pinned {
  const program = compile(policiesOf(settings), { default: settings.policies.default });
  const providers: Provider[] = [];
  for (const one of settings.providers) {
    const provider = buildProvider(one, {});
    if (provider !== undefined) providers.push(provider);
  }
  const catalog = buildCatalog({ providers, models: settings.models, off: settings.providersOff });
  const directory = buildDirectory(settings.organizations, settings.auth, serverSecret, { store: keys });
  return {
    program,
    catalog,
    directory,
    matchers: new Matchers(),
    health: circuitBreaker(settings.routing.circuit, () => performance.now()),
    limits: limitsOf(settings),
  };
}

function policiesOf(settings: Settings): readonly Policy[] {
  const policies: Policy[] = [];
  const problems: PolicyProblem[] = [];
  for (const { path, text } of settings.policyFiles) {
    try {
      policies.push(...parsePolicies(text, { file: path }));
    } catch (thrown) {
      if (!(thrown instanceof PolicyError)) throw thrown;
      problems.push(...thrown.problems);
    }
  }
  if (problems.length > 0) throw new PolicyError(problems);
  return policies;
}

function limitsOf({ server, routing, state }: Settings): WalkLimits {
  return {
    body_bytes_max: server.body_bytes_max,
    reply_bytes_max: server.reply_bytes_max,
    timeout_ms: routing.timeout_ms,
    connect_timeout_ms: routing.connect_timeout_ms,
    first_token_timeout_ms: routing.first_token_timeout_ms,
    retries: routing.retries,
    retry: routing,
    stream_hold_tokens: state.stream_hold_tokens,
    lease_ms: state.lease_ms,
    on_loss: state.on_loss === 'open' ? 'open' : 'closed',
  };
}

function readiness(trail: Trail, closing: boolean): { ready: boolean; reasons: string[] } {
  const reasons: string[] = [];
  if (closing) reasons.push('shutting down');
  if (!trail.state().accepting) reasons.push('the audit trail cannot be written');
  return { ready: reasons.length === 0, reasons };
}

async function listen(app: FastifyInstance, host: string, port: number): Promise<string> {
  await app.listen({ host, port });
  const address = app.server.address();
  if (address === null || typeof address === 'string') throw new Error('the listener has no address');
  return `http://${address.family === 'IPv6' ? `[${address.address}]` : address.address}:${address.port}`;
}

/** Stops listening, waits for running exchanges, and ends what is left when the grace is over. */
async function closeWithin(app: FastifyInstance, grace_ms: number): Promise<void> {
  const timer = setTimeout(() => app.server.closeAllConnections(), grace_ms);
  await app.close();
  clearTimeout(timer);
}
