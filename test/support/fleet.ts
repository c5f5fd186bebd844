import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type CliProcess, serveCli } from './cli-process.ts';
import { adminKey, testEnv, writeGatewayFiles } from './gateway.ts';
import { type Asker, askerOf, eventually, type MoneyOptions, moneyConfig } from './money.ts';

/** What `/admin/v1/workers` tells of one. */
export interface WorkerRow {
  readonly slot: number;
  readonly pid?: number;
  readonly state: string;
  readonly crashes: number;
  readonly restarts: number;
}

/** A gateway with workers, run as users run it, and everything a test asks of it. */
export interface FleetProcess extends Asker {
  readonly cli: CliProcess;
  readonly origin: string;
  /** The admin listener, and headers that open it. */
  readonly adminAt: { readonly url: string; readonly headers: Record<string, string> };
  readonly directory: string;
  readonly env: Readonly<Record<string, string>>;
  readonly file: string;
  workers(): Promise<readonly WorkerRow[]>;
  /** Polls until so many workers are ready. */
  ready(count: number, within_ms?: number): Promise<readonly WorkerRow[]>;
  /** Every line of `/metrics`, by its series. */
  metrics(): Promise<ReadonlyMap<string, number>>;
  /** SIGTERM, and waits for the end; its exit code. */
  stop(): Promise<number | NodeJS.Signals>;
}

export interface FleetOptions extends Omit<MoneyOptions, 'store' | 'providers'> {
  readonly redisUrl: string;
  readonly provider: string;
  readonly workers: number;
  readonly server?: Record<string, unknown>;
}

/** A directory that `removeFleets` takes away. */
export function fleetDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), 'llm-policy-fleet-'));
  directories.push(directory);
  return directory;
}

const directories: string[] = [];
const running = new Set<CliProcess>();

/** Ends what tests left running, and removes their directories. */
export async function removeFleets(): Promise<void> {
  for (const cli of running) cli.kill('SIGKILL');
  await Promise.all([...running].map(({ ended }) => ended));
  running.clear();
  for (const directory of directories.splice(0)) rmSync(directory, { recursive: true, force: true });
}

export async function startFleet(options: FleetOptions): Promise<FleetProcess> {
  const directory = options.directory ?? fleetDirectory();
  const { config, env } = moneyConfig({ ...options, store: 'redis' }, directory, options.redisUrl);
  const { file } = writeGatewayFiles({
    ...options,
    directory,
    openai: options.provider,
    config: {
      ...config,
      server: { port: 0, workers: options.workers, shutdown_grace_ms: 5000, ...options.server },
      telemetry: { log_level: 'info' },
      ...options.config,
    },
  });
  const { cli, ...at } = await serveCli(file, { cwd: directory, env: { ...testEnv, ...env } });
  running.add(cli);
  void cli.ended.then(() => running.delete(cli));
  const asker = askerOf(at);
  const workers = async () => (await asker.admin<{ workers: WorkerRow[] }>('/admin/v1/workers')).workers;
  return {
    ...asker,
    cli,
    origin: at.origin,
    adminAt: {
      url: at.admin,
      headers: { authorization: `Bearer ${adminKey}`, 'content-type': 'application/json' },
    },
    directory,
    env: { ...testEnv, ...env },
    file,
    workers,
    async ready(count, within_ms = 60_000) {
      let rows: readonly WorkerRow[] = [];
      await eventually(
        `${count} workers are ready`,
        async () => {
          rows = await workers();
          return rows.filter(({ state }) => state === 'ready').length === count;
        },
        within_ms,
      );
      return rows;
    },
    async metrics() {
      const text = await (await fetch(`${at.metrics}/metrics`)).text();
      const series = text
        .split('\n')
        .filter((line) => line !== '' && !line.startsWith('#'))
        .map((line) => [line.slice(0, line.lastIndexOf(' ')), Number(line.slice(line.lastIndexOf(' ') + 1))] as const);
      return new Map(series);
    },
    stop() {
      cli.kill('SIGTERM');
      return cli.ended;
    },
  };
}
