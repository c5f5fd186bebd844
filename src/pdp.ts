import { buildDirectory, ensureServerSecret } from './callers/index.ts';
import type { Loaded, PdpSettings } from './config.ts';
import { openGrpc } from './gateway/grpc.ts';
import { closeListeners, listen, listenSocket } from './gateway/listening.ts';
import { filePolicies, openPolicies } from './gateway/managed-policies.ts';
import { openReloading } from './gateway/reloading.ts';
import { openRuleModules } from './gateway/rule-modules.ts';
import { type Opened, openWhole, settingsOf } from './gateway/whole.ts';
import { type Log, openLog, openMetrics } from './observe/index.ts';
import { openEvaluationLog } from './pdp/evaluation-log.ts';
import { pdpPoint } from './pdp/point.ts';
import { mustRestartPdp } from './pdp/restart-needed.ts';
import { PolicyTexts } from './policy/index.ts';
import { buildDecisionListener } from './surfaces/http/decision-listener.ts';
import type { JudgedRoute } from './surfaces/http/judgement.ts';
import { buildMetricsListener } from './surfaces/http/metrics.ts';

export interface PdpOptions {
  /** What is loaded now; it has settings. */
  readonly loaded: Loaded<PdpSettings>;
  /** Loads the configuration again. */
  load(): Promise<Loaded<PdpSettings>>;
  /** Off: files are read once. */
  readonly watch?: boolean;
}

/** The decision point alone, in this process: a daemon beside others, or a sidecar of one. */
export interface Pdp {
  /** `http://host:port`, or the path of a socket; of gRPC `host:port`. */
  readonly addresses: { readonly data: string; readonly metrics: string; readonly grpc: string | undefined };
  readonly settings: PdpSettings;
  readonly policies: number;
  /** Id of the program in force. */
  readonly program: string;
  readonly log: Log;
  readonly routes: readonly JudgedRoute[];
  reload(): Promise<void>;
  /** Takes no new calls, lets running ones end within the grace, then closes everything. */
  close(): Promise<void>;
}

/** How long modules that are no longer in force may still answer: longer than any deadline. */
const retired_ms = 15_000;

/** Puts the daemon together and listens. Rejects with what is wrong; then nothing is left open. */
export async function openPdp(options: PdpOptions): Promise<Pdp> {
  const first = settingsOf(options.loaded);
  return await openWhole(first.state.path, (opened) => assemble(options, first, opened));
}

async function assemble(options: PdpOptions, first: PdpSettings, opened: Opened): Promise<Pdp> {
  const log = openLog({ level: first.telemetry.log_level });
  const metrics = openMetrics();
  const serverSecret = ensureServerSecret(first.state.path, first.auth.hash_secret);
  let settings = first;
  const directoryOf = (of: PdpSettings) => buildDirectory(of.organizations, of.auth, serverSecret);
  let directory = directoryOf(first);
  const texts = new PolicyTexts();
  const policies = openPolicies(first, texts, log);
  opened(() => policies.close());
  let modules = openRuleModules(policies.program(), first.policyFiles, { metrics });
  opened(() => modules?.close());
  const evaluations = await openEvaluationLog(first, log);
  opened(() => evaluations.close());
  metrics.program(policies.program().id);
  policies.subscribe(({ program }) => metrics.program(program));

  let leaving = false;
  const ready = () => {
    const reasons = [
      ...(leaving ? ['shutting down'] : []),
      ...(evaluations.accepting ? [] : ['the evaluation log cannot be written']),
    ];
    return { ready: reasons.length === 0, reasons };
  };
  const point = pdpPoint({
    ...{ policies, evaluations, metrics },
    modules: () => modules,
    directory: () => directory,
    settings: () => settings,
  });
  const { app, routes } = buildDecisionListener({
    ...first.server,
    trustedProxies: first.server.trusted_proxies,
    point,
    ready,
  });
  opened(() => app.close());
  const metricsListener = buildMetricsListener(metrics, async () => undefined);
  opened(() => metricsListener.close());

  const reloading = openReloading(options, log, (next: PdpSettings) => {
    mustRestartPdp(settings, next);
    const made = directoryOf(next);
    const rebased = policies.rebase(filePolicies(next, texts));
    const old = modules;
    modules = openRuleModules(rebased.program, next.policyFiles, { metrics });
    rebased.commit();
    setTimeout(() => old?.close(), retired_ms).unref();
    directory = made;
    settings = next;
    log.level(next.telemetry.log_level);
    metrics.program(rebased.program.id);
    log.info('configuration in force', { program: rebased.program.id });
  });
  opened(() => reloading.close());

  const grpc = await openGrpc(first, {
    point,
    metrics: async () => ({ contentType: metrics.contentType, text: await metrics.render() }),
    ready: () => ready().ready,
    log,
  });
  opened(() => grpc?.close(0));
  const { host, port, socket, shutdown_grace_ms } = first.server;
  const addresses = {
    grpc: grpc?.address,
    metrics: await listen(metricsListener, { ...first.metrics, section: 'metrics' }),
    data: socket === undefined ? await listen(app, { host, port, section: 'server' }) : await listenSocket(app, socket),
  };
  return {
    addresses,
    routes,
    log,
    get settings() {
      return settings;
    },
    get policies() {
      return policies.program().policies.length;
    },
    get program() {
      return policies.program().id;
    },
    reload: async () => {
      await reloading.reload();
    },
    async close() {
      leaving = true;
      await reloading.close();
      const listeners = closeListeners([app, metricsListener], shutdown_grace_ms);
      await Promise.all([listeners, grpc?.close(shutdown_grace_ms)]);
      await evaluations.close();
      await modules?.close();
      policies.close();
      metrics.close();
    },
  };
}
