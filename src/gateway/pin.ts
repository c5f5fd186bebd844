import { performance } from 'node:perf_hooks';
import { buildDirectory, type KeyStore } from '../callers/index.ts';
import type { Settings } from '../config.ts';
import type { Secret } from '../exchange/index.ts';
import { Matchers, type Pinned, passEntries, type WalkLimits } from '../pipeline/index.ts';
import { type Policy, PolicyError, type PolicyTexts, type Program, parsePolicies } from '../policy/index.ts';
import { buildCatalog, buildProvider, circuitBreaker, measured, type Provider } from '../providers/index.ts';
import { railByName } from '../rails/index.ts';
import type { Base } from '../registry/index.ts';
import { openRuleModules } from './rule-modules.ts';

/** Settings to what an exchange pins. Throws with `problems` what only shows when parts are put together. */
export function pin(settings: Settings, keys: KeyStore, serverSecret: Secret, program: Program): Pinned {
  prepareRails(program);
  const providers: Provider[] = [];
  for (const one of settings.providers) {
    const provider = buildProvider(one, {});
    if (provider !== undefined) providers.push(provider);
  }
  const catalog = buildCatalog({ providers, models: settings.models, off: settings.providersOff });
  const directory = buildDirectory(settings.organizations, settings.auth, serverSecret, { store: keys });
  const now = () => performance.now();
  return {
    program,
    catalog,
    directory,
    matchers: new Matchers(),
    health: measured(circuitBreaker(settings.routing.circuit, now), now),
    limits: limitsOf(settings),
    modules: openRuleModules(program, settings.policyFiles),
    passthrough: passEntries(settings.passthrough),
  };
}

/** The same with another program: providers, keys and what is known of their health go on. */
export function repinned(pinned: Pinned, program: Program): Pinned {
  prepareRails(program);
  return { ...pinned, program, matchers: new Matchers() };
}

function prepareRails(program: Program): void {
  for (const name of program.needs('request').rails.keys()) railByName(name)?.prepare?.();
}

/** The part of settings that is about policies. */
export interface PolicySettings extends Pick<Settings, 'policyFiles'> {
  readonly policies: Pick<Settings['policies'], 'default'>;
}

/**
 * The policies of the settings' files; `texts` keeps those whose text does not change. `check` is asked of each program
 * that is made of them. Throws `PolicyError` with every
 * problem.
 */
export function filePolicies(settings: PolicySettings, texts: PolicyTexts, check?: Base['check']): Base {
  const inForce = settings.policyFiles.filter(({ library }) => library !== true);
  return {
    policies: texts.policies(inForce),
    default: settings.policies.default,
    library: libraryOf(settings),
    ...(check === undefined ? {} : { check }),
  };
}

/** Policies that are not enabled, for those that are made of them. What is wrong with one matters to nobody else. */
function libraryOf({ policyFiles }: PolicySettings): readonly Policy[] {
  return policyFiles.flatMap(({ path, text, library }) => {
    if (library !== true) return [];
    try {
      return parsePolicies(text, { file: path });
    } catch (thrown) {
      if (!(thrown instanceof PolicyError)) throw thrown;
      return [];
    }
  });
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
    on_loss: state.on_loss,
  };
}

/** The demo provider's model where it is on: it answers without an account. */
export function firstModel({ catalog }: Pinned): string {
  const models = catalog.list();
  return (models.find(({ provider }) => provider === 'demo') ?? models[0])?.id ?? '';
}

/** Takes no new calls on its providers; resolves when those under way are over. */
export function closeProviders({ catalog, modules }: Pinned): Promise<unknown> {
  return Promise.all([...catalog.providers.map((provider) => provider.close()), modules?.close()]);
}
