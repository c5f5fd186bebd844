import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'vite';
import { testEnv, writeGatewayFiles } from './gateway.ts';
import { type Asker, askerOf, type MoneyOptions, moneyConfig } from './money.ts';

/** The gateway's source bundled as one program, since the oldest Node we serve does not read types. */
export interface GatewayProgram {
  readonly file: string;
  remove(): void;
}

export async function buildGatewayProgram(): Promise<GatewayProgram> {
  const outDir = mkdtempSync(join(tmpdir(), 'llm-policy-program-'));
  await build({
    configFile: false,
    logLevel: 'error',
    build: {
      ssr: fileURLToPath(new URL('./programs/gateway.ts', import.meta.url)),
      outDir,
      target: 'node20',
      rollupOptions: { output: { entryFileNames: 'program.mjs' } },
    },
    ssr: { noExternal: true },
  });
  return { file: join(outDir, 'program.mjs'), remove: () => rmSync(outDir, { recursive: true, force: true }) };
}

/** A gateway in a process of its own. */
export interface GatewayProcess extends Asker {
  readonly origin: string;
  /** Of the admin listener. */
  readonly adminOrigin: string;
  /** As a crash does; resolves when it is gone. */
  kill(): Promise<void>;
  /** Lets it end by itself. */
  stop(): Promise<void>;
}

export interface ProcessOptions extends Omit<MoneyOptions, 'providers'> {
  readonly directory: string;
  readonly redisUrl?: string;
  /** `http://127.0.0.1:port/v1` of the fake provider. */
  readonly provider: string;
}

/** Starts a gateway on a directory, new or left by another one, and waits until it listens. */
export async function startGatewayProcess(program: GatewayProgram, options: ProcessOptions): Promise<GatewayProcess> {
  const { directory, provider } = options;
  const { config, env } = moneyConfig(options, directory, options.redisUrl);
  const { file } = writeGatewayFiles({ ...options, openai: provider, anthropic: provider, config });
  const child = spawn(process.execPath, [program.file, file, directory], {
    env: { ...process.env, ...testEnv, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const at = await addressesOf(child);
  const ended = (signal: NodeJS.Signals) =>
    new Promise<void>((resolve) => {
      if (child.exitCode !== null || child.signalCode !== null) return resolve();
      child.once('exit', () => resolve());
      child.kill(signal);
    });
  return {
    ...askerOf({ ...at, origin: at.data }),
    origin: at.data,
    adminOrigin: at.admin,
    kill: () => ended('SIGKILL'),
    stop: () => ended('SIGTERM'),
  };
}

interface Addresses {
  readonly data: string;
  readonly admin: string;
  readonly metrics: string;
}

function addressesOf(child: ChildProcess): Promise<Addresses> {
  return new Promise((resolve, reject) => {
    let said = '';
    let complaints = '';
    child.stderr?.on('data', (bytes) => {
      complaints += bytes;
    });
    child.stdout?.on('data', (bytes) => {
      said += bytes;
      const end = said.indexOf('\n');
      if (end >= 0) resolve(JSON.parse(said.slice(0, end)) as Addresses);
    });
    child.once('exit', (code) => reject(new Error(`the gateway ended with ${code}:\n${said}${complaints}`)));
  });
}
