import { performance } from 'node:perf_hooks';
import type { KeyStore } from '../callers/index.ts';
import type { Settings } from '../config.ts';
import { Secret } from '../exchange/index.ts';
import { Matchers, type Pinned, passEntries, type WalkLimits } from '../pipeline/index.ts';
import type { Program } from '../policy/index.ts';
import { circuitBreaker, measured } from '../providers/index.ts';
import { railByName } from '../rails/index.ts';
import { catalogOf, directoryOf } from './overview.ts';
import { openRuleModules, type RuleModuleOptions } from './rule-modules.ts';

/** What was in force until now. */
export interface Before {
  readonly settings: Settings;
  readonly pinned: Pinned;
}

/**
 * Settings to what an exchange pins. Circuits of providers that are as they were `before` go on. Throws with `problems`
 * what only shows when parts are put together.
 */
export function pin(
  settings: Settings,
  keys: KeyStore,
  serverSecret: Secret,
  program: Program,
  modules: RuleModuleOptions,
  before?: Before,
): Pinned {
  prepareRails(program);
  const catalog = catalogOf(settings);
  const now = () => performance.now();
  const health = measured(circuitBreaker(settings.routing.circuit, now), now);
  if (before !== undefined) health.inherit(before.pinned.health, unchanged(settings, before.settings));
  return {
    program,
    catalog,
    directory: directoryOf(settings, keys, serverSecret),
    matchers: new Matchers(),
    health,
    limits: limitsOf(settings),
    modules: openRuleModules(program, settings.policyFiles, modules),
    passthrough: passEntries(settings.passthrough),
  };
}

/** Providers whose address, credentials and ways are the same in both. */
function unchanged(settings: Settings, before: Settings): ReadonlySet<string> {
  const texts = new Set(before.providers.map(addressOf));
  return new Set(settings.providers.filter((one) => texts.has(addressOf(one))).map(({ id }) => id));
}

/** A provider's settings but for its models, as one text. It has the secrets in it: it is compared and let go. */
function addressOf({ models: _, ...settings }: Settings['providers'][number]): string {
  return JSON.stringify(settings, function (this: Record<string, unknown>, key, value: unknown) {
    const own = this[key];
    return own instanceof Secret ? own.reveal() : value;
  });
}

/** The same with another program: providers, keys and what is known of their health go on. */
export function repinned(pinned: Pinned, program: Program): Pinned {
  prepareRails(program);
  return { ...pinned, program, matchers: new Matchers() };
}

function prepareRails(program: Program): void {
  for (const name of program.needs('request').rails.keys()) railByName(name)?.prepare?.();
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

/** Takes no new calls on its providers; resolves when those under way are over. */
export function closeProviders({ catalog, modules }: Pinned): Promise<unknown> {
  return Promise.all([...catalog.providers.map((provider) => provider.close()), modules?.close()]);
}
