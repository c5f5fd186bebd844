import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { stringify } from 'yaml';
import { loadConfig, problemText } from '../../src/config.ts';
import { type Gateway, openGateway } from '../../src/gateway.ts';

/** Keys of the team every test gateway has. */
export const teamKey = 'lpk_testteamkey1_0123456789abcdefghijklmnopqrstuvwxyzABCDEFG';
export const adminKey = 'lpa_testadminkey_0123456789abcdefghijklmnopqrstuvwxyzABCDEFG';

/** A reference to a variable, as files have it. */
export const ref = (name: string) => `\${${name}}`;

export interface TestGatewayOptions {
  /** `http://127.0.0.1:port/v1` of providers, by format. */
  openai?: string;
  anthropic?: string;
  /** Sections that replace the test's own. */
  config?: Record<string, unknown>;
  /** The only team's settings beside its key. */
  team?: Record<string, unknown>;
  /** Policies by file name without ending; default one that never matches. */
  policies?: Record<string, string>;
  /** Provider files by name, instead of the two fakes. */
  providers?: Record<string, Record<string, unknown>>;
  /** Continue in a directory another gateway left. */
  directory?: string;
  env?: Record<string, string>;
}

export interface TestGateway {
  readonly gateway: Gateway;
  readonly directory: string;
  /** `http://127.0.0.1:port` of the data listener. */
  readonly origin: string;
  /** For OpenAI clients. */
  readonly baseUrl: string;
  readonly admin: string;
  readonly metrics: string;
  /** Closes; the directory is removed unless kept. */
  close(keep?: boolean): Promise<void>;
}

/** A policy that never matches: a set must not be empty. */
export const quietPolicy = `
metadata: { id: quiet, name: Quiet, version: 1.0.0 }
rules:
  - id: never
    condition: { operator: eq, field: llm.model, value: no-such-model }
    action: { decision: warn, reason: never }
`;

export const prices = {
  input_usd_per_mtok: 1,
  output_usd_per_mtok: 2,
  cached_input_usd_per_mtok: 0.5,
  context_tokens: 128_000,
  output_tokens_max: 4096,
};

/** Writes the files of a gateway into a directory, as a user would, and says where its configuration is. */
export function writeGatewayFiles(options: TestGatewayOptions): { directory: string; file: string } {
  const directory = options.directory ?? mkdtempSync(join(tmpdir(), 'llm-policy-test-'));
  const put = (path: string, text: string): void => {
    mkdirSync(dirname(join(directory, path)), { recursive: true });
    writeFileSync(join(directory, path), text);
  };
  const providers = options.providers ?? {
    ...(options.openai === undefined ? {} : { 'fake-openai': fakeOpenai(options.openai) }),
    ...(options.anthropic === undefined ? {} : { 'fake-anthropic': fakeAnthropic(options.anthropic) }),
  };
  for (const [id, provider] of Object.entries(providers)) put(`providers/${id}.yaml`, stringify(provider));
  for (const [name, text] of Object.entries(options.policies ?? { quiet: quietPolicy }))
    put(`policies/${name}.yaml`, text);
  const config = {
    server: { port: 0, shutdown_grace_ms: 2000 },
    admin: { port: 0, keys: [ref('TEST_ADMIN_KEY')] },
    metrics: { port: 0 },
    state: { driver: 'embedded', path: join(directory, 'data') },
    providers: [join(directory, 'providers')],
    policies: { path: join(directory, 'policies'), default: 'allow' },
    organizations: [{ id: 'acme', teams: [{ id: 'research', keys: [ref('TEST_TEAM_KEY')], ...options.team }] }],
    routing: { retries: 0 },
    audit: { sinks: [{ type: 'file', path: join(directory, 'data', 'audit') }] },
    telemetry: { log_level: 'silent' },
    ...options.config,
  };
  put('gateway.yaml', stringify(config));
  return { directory, file: join(directory, 'gateway.yaml') };
}

export const testEnv = {
  TEST_TEAM_KEY: teamKey,
  TEST_ADMIN_KEY: adminKey,
  FAKE_KEY: 'upstream-secret-key',
};

/** A whole gateway on free ports, in this process, with real files under a temporary directory. */
export async function startGateway(options: TestGatewayOptions = {}): Promise<TestGateway> {
  const { directory, file } = writeGatewayFiles(options);
  const env = { ...testEnv, ...options.env };
  const load = () => loadConfig({ file, env, cwd: directory, base: directory });
  const loaded = await load();
  if (loaded.settings === undefined) throw new Error(loaded.problems.map(problemText).join('\n'));
  const gateway = await openGateway({ loaded, load });
  return {
    gateway,
    directory,
    origin: gateway.addresses.data,
    baseUrl: `${gateway.addresses.data}/v1`,
    admin: gateway.addresses.admin ?? '',
    metrics: gateway.addresses.metrics,
    async close(keep = false) {
      await gateway.close();
      if (!keep) rmSync(directory, { recursive: true, force: true });
    },
  };
}

export function fakeOpenai(baseUrl: string): Record<string, unknown> {
  return {
    id: 'fake-openai',
    format: 'openai',
    base_url: baseUrl,
    auth: { type: 'bearer', key: ref('FAKE_KEY') },
    models: { 'gpt-4o': prices, 'gpt-4o-mini': prices },
  };
}

export function fakeAnthropic(baseUrl: string): Record<string, unknown> {
  return {
    id: 'fake-anthropic',
    format: 'anthropic',
    base_url: baseUrl,
    auth: { type: 'header', name: 'x-api-key', key: ref('FAKE_KEY') },
    models: { 'claude-sonnet-4-5': prices, 'claude-haiku-4-5': prices },
  };
}

/** Calls the data listener as the team. */
export function call(
  gateway: TestGateway,
  path: string,
  body: unknown,
  headers: Record<string, string> = {},
): Promise<Response> {
  return fetch(gateway.origin + path, {
    method: 'POST',
    headers: { authorization: `Bearer ${teamKey}`, 'content-type': 'application/json', ...headers },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  });
}
