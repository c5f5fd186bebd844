import { createHmac, randomBytes } from 'node:crypto';
import { resolve } from 'node:path';
import { Secret } from '../exchange/index.ts';
import { checkDocument, checkProviders } from './checks.ts';
import { readSource, type Source } from './document.ts';
import { settle } from './expand.ts';
import { type Reading, readText, reasonOf, shownPath, type TextFile } from './files.ts';
import { environmentOverrides } from './overrides.ts';
import { loadPolicies } from './policies.ts';
import type { Problem } from './problem.ts';
import { type LoadedProviders, loadProviders } from './providers.ts';
import { withFilesBelow } from './redis-place.ts';
import { type GatewayDocument, gatewaySchema } from './schema.ts';
import { seal } from './seal.ts';
import type { Settings } from './settings.ts';
import { tryProviders } from './trial.ts';
import type { Finding } from './validate.ts';
import { deepFreeze } from './walk.ts';

export interface LoadOptions {
  /** `gateway.yaml`, relative to `cwd`. */
  readonly file: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Where paths that are written to (data, audit) start. Default: the process's working directory. */
  readonly cwd?: string;
  /** Where providers, policies and `${file:...}` are found. Default: `cwd`. */
  readonly base?: string;
}

export interface LoadedConfig {
  /** Frozen all through; undefined when there is any problem. */
  readonly settings: Settings | undefined;
  /** Every problem found, in the order of the file. */
  readonly problems: readonly Problem[];
  /** Every file and directory that was read or looked for. */
  readonly watched: readonly string[];
  /** Tells one outcome from another: the same settings (or the same problems) have the same. Means nothing to other processes. */
  readonly fingerprint: string;
}

/** Reads and validates the configuration with everything it names. Never rejects for what is in files: see `problems`. */
export async function loadConfig(options: LoadOptions): Promise<LoadedConfig> {
  const cwd = resolve(options.cwd ?? process.cwd());
  const reading: Reading = { env: options.env, cwd, base: resolve(cwd, options.base ?? '.'), watched: new Set() };
  const loaded = await read(resolve(cwd, options.file), reading);
  return {
    settings: loaded.problems.length === 0 ? loaded.settings : undefined,
    problems: loaded.problems,
    watched: [...reading.watched].sort(),
    fingerprint: fingerprint(loaded),
  };
}

interface Outcome {
  readonly settings?: Settings;
  readonly problems: readonly Problem[];
}

async function read(path: string, reading: Reading): Promise<Outcome> {
  const shown = shownPath(path, reading.cwd);
  reading.watched.add(path);
  let text: string;
  try {
    text = await readText(path, reading);
  } catch (error) {
    return { problems: [{ file: shown, message: reasonOf(error) }] };
  }
  const source = readSource(shown, text);
  if (source.problems.length > 0) return { problems: source.problems };
  const overrides = environmentOverrides(reading.env);
  const references = { env: reading.env, base: reading.base, onFile: (file: string) => reading.watched.add(file) };
  const { value, findings } = settle(source.value, gatewaySchema, references, overrides);
  const placed = (finding: Finding) => place(finding, source, overrides);
  if (findings.length > 0) return { problems: inOrder(findings.map(placed)) };
  const document = seal<GatewayDocument>(value, gatewaySchema);
  const providers = await loadProviders(document.providers, reading, source);
  const policies = await loadPolicies(document.policies, reading, source);
  const problems = [...inOrder(checkDocument(document).map(placed)), ...providers.problems, ...policies.problems];
  if (providers.problems.length === 0) {
    const mentions = inOrder(checkProviders(document, providers).map(placed));
    problems.push(...mentions);
    if (mentions.length === 0) problems.push(...(await tryProviders(providers.read, document.models, source)));
  }
  return problems.length > 0
    ? { problems }
    : { problems, settings: settingsOf(document, providers, policies.files, path, reading) };
}

/** A finding at a value that came from the environment is the environment's. */
function place(finding: Finding, source: Source, overrides: ReturnType<typeof environmentOverrides>): Problem {
  const key = finding.path.join('.');
  const from = overrides.find(({ path }) => key === path.join('.'));
  if (from === undefined) return source.problem(finding.path, finding.message, finding.at);
  return { file: 'environment', key, message: `${from.name}: ${finding.message}` };
}

function inOrder(problems: readonly Problem[]): readonly Problem[] {
  return [...problems].sort((a, b) => (a.line ?? 0) - (b.line ?? 0) || (a.column ?? 0) - (b.column ?? 0));
}

function settingsOf(
  document: GatewayDocument,
  loaded: LoadedProviders,
  policyFiles: readonly TextFile[],
  file: string,
  { cwd, base }: Reading,
): Settings {
  const on = new Set(loaded.providers.map(({ id }) => id));
  const models = Object.entries(document.models)
    .map(
      ([name, model]) =>
        [name, { ...model, candidates: model.candidates.filter(({ provider }) => on.has(provider)) }] as const,
    )
    .filter(([, model]) => model.candidates.length > 0);
  return deepFreeze({
    ...document,
    file,
    state: { ...withFilesBelow(base, document.state), path: resolve(cwd, document.state.path) },
    audit: {
      ...document.audit,
      sinks: document.audit.sinks.map((sink) =>
        sink.path === undefined ? sink : { ...sink, path: resolve(cwd, sink.path) },
      ),
    },
    models: Object.fromEntries(models),
    passthrough: document.passthrough.filter(({ provider }) => on.has(provider)),
    providers: loaded.providers,
    providersOff: loaded.off,
    policyFiles,
  });
}

const fingerprintKey = randomBytes(32);

/** Over the outcome, secrets included (a rotated secret is a change), under a key that lives with the process. */
function fingerprint(outcome: Outcome): string {
  const text = JSON.stringify(outcome, function (this: Record<string, unknown>, key, value: unknown) {
    const original = this[key];
    return original instanceof Secret ? original.reveal() : value;
  });
  return createHmac('sha256', fingerprintKey).update(text).digest('base64url');
}
