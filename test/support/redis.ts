import { type ChildProcess, spawn } from 'node:child_process';
import { accessSync, constants, mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { Redis } from 'ioredis';

export interface RedisServer {
  readonly url: string;
  readonly port: number;
  readonly pid: number;
  /** Stops the process where it stands (SIGSTOP): connections stay, answers do not come. */
  freeze(): void;
  thaw(): void;
  /** kill -9; `start` again on the same port with `restart`. */
  kill(): Promise<void>;
  restart(): Promise<void>;
  /** A plain connection, closed with the server. */
  client(): Redis;
  stop(): Promise<void>;
}

/** Path of `redis-server` or `valkey-server`. Throws with what to do where neither is installed. */
export function redisBinary(): string {
  const given = process.env.REDIS_SERVER;
  if (given !== undefined && given !== '') return given;
  const directories = [...(process.env.PATH ?? '').split(delimiter), '/usr/bin', '/usr/local/bin', '/opt/homebrew/bin'];
  for (const name of ['redis-server', 'valkey-server']) {
    for (const directory of directories) {
      const file = join(directory, name);
      try {
        accessSync(file, constants.X_OK);
        return file;
      } catch {
        // Not here.
      }
    }
  }
  throw new Error(
    'no redis-server and no valkey-server found: install the system package (apt-get install redis-server, brew install redis) or set REDIS_SERVER to its path',
  );
}

/** Starts a server of its own on a free port, with nothing written to disk, and waits until it answers. */
export async function startRedis(options: { readonly arguments?: readonly string[] } = {}): Promise<RedisServer> {
  const directory = mkdtempSync(join(tmpdir(), 'redis-'));
  const port = await freePort();
  const clients: Redis[] = [];
  let child = await launch(port, directory, options.arguments ?? []);
  const gone = () =>
    new Promise<void>((resolve) => {
      if (child.exitCode !== null || child.signalCode !== null) return resolve();
      child.once('exit', () => resolve());
    });
  const kill = async () => {
    child.kill('SIGKILL');
    await gone();
  };
  return {
    url: `redis://127.0.0.1:${port}`,
    port,
    get pid() {
      return child.pid ?? 0;
    },
    freeze: () => void child.kill('SIGSTOP'),
    thaw: () => void child.kill('SIGCONT'),
    kill,
    async restart() {
      await kill();
      child = await launch(port, directory, options.arguments ?? []);
    },
    client() {
      const client = new Redis(port, '127.0.0.1', { retryStrategy: () => 50 });
      client.on('error', () => {});
      clients.push(client);
      return client;
    },
    async stop() {
      for (const client of clients) client.disconnect();
      await kill();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => (typeof address === 'object' && address !== null ? resolve(address.port) : reject(address)));
    });
  });
}

async function launch(port: number, directory: string, more: readonly string[]): Promise<ChildProcess> {
  const settings = [
    '--port',
    String(port),
    '--bind',
    '127.0.0.1',
    '--save',
    '',
    '--appendonly',
    'no',
    '--dir',
    directory,
  ];
  const child = spawn(redisBinary(), [...settings, ...more], { stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  child.stdout?.on('data', (bytes) => {
    output += bytes;
  });
  child.stderr?.on('data', (bytes) => {
    output += bytes;
  });
  const client = new Redis(port, '127.0.0.1', {
    lazyConnect: true,
    retryStrategy: () => 20,
    maxRetriesPerRequest: null,
  });
  client.on('error', () => {});
  try {
    await Promise.race([
      client
        .connect()
        .catch(() => {})
        .then(() => client.ping()),
      new Promise<never>((_, reject) => {
        child.once('exit', (code) => reject(new Error(`redis-server ended with ${code}:\n${output}`)));
        child.once('error', reject);
        setTimeout(() => reject(new Error(`redis-server did not answer within 15 s:\n${output}`)), 15_000).unref();
      }),
    ]);
  } finally {
    client.disconnect();
  }
  return child;
}
