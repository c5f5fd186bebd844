import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { ensureServerSecret, hashKey, type KeyStore, openKeyStore } from '../callers/index.ts';
import type { Settings } from '../config.ts';
import type { Secret } from '../exchange/index.ts';
import type { Log, Metrics, Trail } from '../observe/index.ts';
import { BudgetAlerts, ObservedOutputs, type Pinned, Waiting, type Walk } from '../pipeline/index.ts';
import { PolicyTexts } from '../policy/index.ts';
import { openTokenCounter } from '../providers/index.ts';
import type { PolicySet } from '../registry/index.ts';
import type { Ledger } from '../stores/index.ts';
import type { DecisionPoint } from '../surfaces/decision/point.ts';
import { buildDataListener, type DataListener } from '../surfaces/http/data.ts';
import { decisionPoint } from './decision-point.ts';
import { closeWithin } from './listening.ts';
import { filePolicies, openPolicies } from './managed-policies.ts';
import { openApprovals, openAudit, openLedger, openSharedCache } from './open-stores.ts';
import { closeProviders, pin, repinned } from './pin.ts';
import { placeProblems } from './policy-places.ts';
import { mustRestart } from './restart-needed.ts';
import { sharedVerdicts } from './shared-verdicts.ts';
import { ownerName } from './slots.ts';
import type { Opened } from './whole.ts';

export interface ServingOptions {
  readonly settings: Settings;
  /** Which of the gateway's places on disk is this process's: 1 for a gateway of one process. */
  readonly slot: number;
  readonly log: Log;
  readonly metrics: Metrics;
  /** Whether the gateway has an admin listener. */
  readonly adminListens: boolean;
  readonly opened: Opened;
}

export interface Readiness {
  readonly ready: boolean;
  readonly reasons: readonly string[];
}

/** What answers calls in a process: the walk with its parts, and the data listener, which does not listen yet. */
export interface Serving {
  readonly walk: Walk;
  readonly data: DataListener;
  readonly keys: KeyStore;
  readonly serverSecret: Secret;
  readonly ledger: Ledger;
  readonly trail: Trail;
  readonly policies: PolicySet;
  readonly point: DecisionPoint;
  /** Those in force. */
  readonly settings: Settings;
  readonly pinned: Pinned;
  /** Builds what new settings need, or throws why that cannot be. What it returns puts them in force, in one step. */
  prepare(next: Settings): { commit(): void; discard(): void };
  readiness(): Readiness;
  /** Puts into the metrics what is only known when somebody asks. */
  refreshCircuits(): void;
  /** From now on it is not ready. */
  leaving(): void;
  /** Lets running calls end within the grace and closes the listener. */
  stop(grace_ms: number): Promise<void>;
  /** `stop`, and then closes trail, ledger, providers and keys. Whoever else changes something and has it recorded is gone by then. */
  close(grace_ms: number): Promise<void>;
}

/** Opens ledger, trail, keys and providers, and builds the data listener over them. */
export async function openServing(options: ServingOptions): Promise<Serving> {
  const { slot, log, metrics, opened } = options;
  let settings = options.settings;
  const dataDir = settings.state.path;
  const owner = ownerName(slot);
  const serverSecret = ensureServerSecret(dataDir, settings.auth.hash_secret);
  const keys = openKeyStore(join(dataDir, 'keys.json'), {
    onProblem: (error) => log.warn('key store cannot be read', { error }),
  });
  opened(() => keys.close());
  const texts = new PolicyTexts();
  const policies = openPolicies(settings, texts, log, (program) => placeProblems(settings, program));
  opened(() => policies.close());
  const kept = await openSharedCache(settings);
  opened(() => kept?.close());
  const shared = kept && sharedVerdicts(kept, (text) => hashKey(text, serverSecret), Date.now);
  const moduleOptions = { metrics, shared };
  let pinned = pin(settings, keys, serverSecret, policies.program(), moduleOptions);
  opened(() => closeProviders(pinned));
  const ledger = await openLedger(settings, owner, log, { slot, onLoss: () => settings.state.on_loss });
  opened(() => ledger.close());
  const trail = await openAudit(settings, log, slot);
  opened(() => trail.close());
  const approvals = await openApprovals(settings);
  opened(() => approvals.close());
  const tokens = openTokenCounter();
  opened(() => tokens.close());

  let leaving = false;
  const readiness = (): Readiness => {
    const reasons: string[] = [];
    if (leaving) reasons.push('shutting down');
    if (!trail.state().accepting) reasons.push('the audit trail cannot be written');
    return { ready: reasons.length === 0, reasons };
  };
  const walk: Walk = {
    pinned: () => pinned,
    ledger,
    approvals,
    trail,
    metrics,
    tokens,
    outputs: new ObservedOutputs(),
    waiting: new Waiting(() => performance.now()),
    alerts: new BudgetAlerts(),
    log,
    clock: Date.now,
    monotonic: () => performance.now(),
    random: Math.random,
    keyedHash: (text) => hashKey(text, serverSecret),
    owner,
  };
  const point = decisionPoint({
    policies,
    metrics,
    pinned: () => pinned,
    settings: () => settings,
    record: (record) => trail.end(record),
    recent: (filter) => trail.recent(filter),
  });
  const data = buildDataListener({
    walk,
    point,
    body_bytes_max: settings.server.body_bytes_max,
    in_flight_bytes_max: settings.server.in_flight_bytes_max,
    trustedProxies: settings.server.trusted_proxies,
    ready: readiness,
  });
  opened(() => data.app.close());
  metrics.program(pinned.program.id);
  policies.subscribe(({ program }) => {
    // A change of the configuration brings its own program.
    if (program === pinned.program.id) return;
    pinned = repinned(pinned, policies.program());
    metrics.program(program);
    log.info('managed policies in force', { program });
  });

  /** Providers of configurations that are no longer in force, until the last exchange that pinned them must be over. */
  const retired = new Set<Pinned>();
  const retire = async (old: Pinned): Promise<void> => {
    // Closing the gateway retires what a timer still waits for.
    if (retired.delete(old)) await closeProviders(old);
  };
  const putInForce = (next: Settings, made: Pinned): void => {
    const old = pinned;
    pinned = made;
    settings = next;
    log.level(next.telemetry.log_level);
    metrics.program(made.program.id);
    retired.add(old);
    setTimeout(() => retire(old), old.limits.timeout_ms).unref();
  };

  let stopped: Promise<void> | undefined;
  const stop = (grace_ms: number): Promise<void> => {
    leaving = true;
    stopped ??= (async () => {
      policies.close();
      walk.waiting.close();
      await closeWithin(data, grace_ms);
    })();
    return stopped;
  };

  return {
    walk,
    data,
    keys,
    serverSecret,
    ledger,
    trail,
    policies,
    point,
    get settings() {
      return settings;
    },
    get pinned() {
      return pinned;
    },
    prepare(next) {
      mustRestart(settings, next, options.adminListens);
      const files = policies.rebase(filePolicies(next, texts, (program) => placeProblems(next, program)));
      const made = pin(next, keys, serverSecret, files.program, moduleOptions, { settings, pinned });
      const commit = (): void => {
        putInForce(next, made);
        files.commit();
      };
      return { commit, discard: () => void closeProviders(made) };
    },
    readiness,
    refreshCircuits() {
      const open = pinned.health.open();
      for (const { id } of pinned.catalog.providers) metrics.circuit(id, open.has(id));
    },
    leaving() {
      leaving = true;
    },
    stop,
    async close(grace_ms) {
      await stop(grace_ms);
      await trail.close();
      await ledger.close();
      await approvals.close();
      await kept?.close();
      await tokens.close();
      await Promise.all([closeProviders(pinned), ...[...retired].map(retire)]);
      await keys.close();
    },
  };
}
