import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { freePort, type RedisServer, redisBinary, startRedis } from './redis.ts';
import { eventually } from './wait.ts';

export interface SentinelHouse {
  /** What the sentinels call the primary. */
  readonly name: string;
  /** `host:port` of the three sentinels. */
  readonly nodes: readonly string[];
  /** The primary at the start, and its replica. */
  readonly primary: RedisServer;
  readonly replica: RedisServer;
  /** From now on the replica hears nothing of what the primary acknowledges. */
  cut(): Promise<void>;
  /** Resolves when the sentinels have made the replica the primary. */
  promoted(): Promise<void>;
  stop(): Promise<void>;
}

const name = 'house';

/** A primary, a replica that follows it, and three sentinels that have found each other. */
export async function startSentinels(): Promise<SentinelHouse> {
  const primary = await startRedis();
  const replica = await startRedis({ arguments: ['--replicaof', '127.0.0.1', String(primary.port)] });
  const directory = mkdtempSync(join(tmpdir(), 'sentinel-'));
  const ports = [await freePort(), await freePort(), await freePort()];
  const children = ports.map((port) => launch(port, directory, primary.port));
  const sentinels = ports.map((port) => {
    const client = new Redis(port, '127.0.0.1', { retryStrategy: () => 50, enableReadyCheck: false });
    client.on('error', () => {});
    return client;
  });
  const own = { primary: primary.client(), replica: replica.client() };
  await eventually(async () => {
    if (!(await own.replica.info('replication')).includes('master_link_status:up')) return false;
    const known = await Promise.all(
      sentinels.map(async (one) => {
        const text = await one.info('sentinel');
        return /status=ok,address=[\d.:]+,slaves=1,sentinels=3/.test(text);
      }),
    );
    return known.every(Boolean);
  });
  return {
    name,
    nodes: ports.map((port) => `127.0.0.1:${port}`),
    primary,
    replica,
    async cut() {
      await own.primary.acl('SETUSER', 'default', '-psync', '-sync');
      await own.primary.call('CLIENT', 'KILL', 'TYPE', 'replica');
      await eventually(async () => (await own.replica.info('replication')).includes('master_link_status:down'));
    },
    promoted: () => eventually(async () => (await own.replica.info('replication')).includes('role:master')),
    async stop() {
      for (const client of sentinels) client.disconnect();
      await Promise.all(children.map(ended));
      await Promise.all([primary.stop(), replica.stop()]);
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

function launch(port: number, directory: string, primaryPort: number): ChildProcess {
  const file = join(directory, `${port}.conf`);
  const settings = [
    `port ${port}`,
    'bind 127.0.0.1',
    `dir ${directory}`,
    `sentinel monitor ${name} 127.0.0.1 ${primaryPort} 2`,
    `sentinel down-after-milliseconds ${name} 500`,
    `sentinel failover-timeout ${name} 5000`,
  ];
  writeFileSync(file, `${settings.join('\n')}\n`);
  return spawn(redisBinary(), [file, '--sentinel'], { stdio: 'ignore' });
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exit = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  child.kill('SIGKILL');
  await exit;
}
