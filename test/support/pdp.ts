import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { loadPdpConfig, problemText } from '../../src/config.ts';
import { openPdp, type Pdp } from '../../src/pdp.ts';
import { quietPolicy, ref, testEnv } from './gateway.ts';

export interface TestPdpOptions {
  /** Sections that replace the test's own. */
  readonly config?: Record<string, unknown>;
  /** Policies by file name without ending; default one that never matches. */
  readonly policies?: Record<string, string>;
  readonly default?: 'allow' | 'deny';
  /** Continue in a directory another daemon left. */
  readonly directory?: string;
}

export interface TestPdp {
  readonly pdp: Pdp;
  readonly directory: string;
  /** `http://127.0.0.1:port`. */
  readonly origin: string;
  readonly file: string;
  /** Closes; the directory is removed unless kept. */
  close(keep?: boolean): Promise<void>;
}

/** Writes the files of a daemon as a user would. */
export function writePdpFiles(options: TestPdpOptions = {}): { directory: string; file: string } {
  const directory = options.directory ?? mkdtempSync(join(tmpdir(), 'llm-policy-pdp-'));
  mkdirSync(join(directory, 'policies'), { recursive: true });
  for (const [name, text] of Object.entries(options.policies ?? { quiet: quietPolicy }))
    writeFileSync(join(directory, 'policies', `${name}.yaml`), text);
  const config = {
    server: { port: 0, shutdown_grace_ms: 2000 },
    metrics: { port: 0 },
    grpc: { port: 0 },
    organizations: [{ id: 'acme', teams: [{ id: 'research', keys: [ref('TEST_TEAM_KEY')] }] }],
    policies: { path: join(directory, 'policies'), default: options.default ?? 'allow' },
    state: { path: join(directory, 'data') },
    audit: { path: join(directory, 'data', 'audit') },
    telemetry: { log_level: 'silent' },
    ...options.config,
  };
  const file = join(directory, 'pdp.yaml');
  writeFileSync(file, stringify(config));
  return { directory, file };
}

/** A whole daemon on free ports, in this process. */
export async function startPdp(options: TestPdpOptions = {}): Promise<TestPdp> {
  const { directory, file } = writePdpFiles(options);
  const load = () => loadPdpConfig({ file, env: testEnv, cwd: directory, base: directory });
  const loaded = await load();
  if (loaded.settings === undefined) throw new Error(loaded.problems.map(problemText).join('\n'));
  const pdp = await openPdp({ loaded, load });
  return {
    pdp,
    directory,
    file,
    origin: pdp.addresses.data,
    async close(keep = false) {
      await pdp.close();
      if (!keep) rmSync(directory, { recursive: true, force: true });
    },
  };
}
