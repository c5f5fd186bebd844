import { type ChildProcess, spawn } from 'node:child_process';
import {
  accessSync,
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { freePort, startRedis } from '../support/redis.ts';
import { root } from './blocks.ts';

export interface Ran {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

type Environment = Readonly<Record<string, string>>;

/** A checkout as a user has it, in a directory of its own, on ports of its own: what a page tells to do is done here. */
export interface Checkout {
  readonly directory: string;
  /** A page's text with the ports of this checkout in the place of the usual ones. */
  local(text: string): string;
  write(file: string, text: string): void;
  /** `npm start`, after whatever was started before is stopped. Resolves to what it printed once it serves. */
  start(environment: Environment): Promise<string>;
  /** Lines of a shell, which remembers what was exported. */
  shell(lines: string): Promise<Ran>;
  /** A program with what was exported in its environment. */
  program(command: string, args: readonly string[]): Promise<Ran>;
  close(): Promise<void>;
}

const patience_ms = 30_000;

export async function openCheckout(): Promise<Checkout> {
  const directory = mkdtempSync(join(tmpdir(), 'llm-policy-docs-'));
  const redis = await startRedis();
  const [data, admin, metrics] = [await freePort(), await freePort(), await freePort()];
  const ports: readonly (readonly [string, number])[] = [
    ['8080', data],
    ['8081', admin],
    ['9090', metrics],
    ['6379', redis.port],
  ];
  const local = (text: string) =>
    ports.reduce((known, [usual, port]) => known.replaceAll(`127.0.0.1:${usual}`, `127.0.0.1:${port}`), text);

  for (const name of ['config', 'providers', 'policies', 'scripts', 'dist', 'package.json', 'package-lock.json']) {
    cpSync(join(root, name), join(directory, name), { recursive: true, preserveTimestamps: true });
  }
  symlinkSync(join(root, 'node_modules'), join(directory, 'node_modules'));
  // No source is newer than what was built, so nothing is built again here.
  mkdirSync(join(directory, 'src'));
  const config = join(directory, 'config/gateway.yaml');
  writeFileSync(config, readFileSync(config, 'utf8').replace('port: 8081', `port: ${admin}`));
  mkdirSync(join(directory, 'bin'));
  // What npx does with the command of the package it is called in, without its cache.
  writeFileSync(
    join(directory, 'bin/npx'),
    `#!/bin/sh\n[ "$1" = llm-policy ] && shift && exec "${process.execPath}" "${join(directory, 'dist/cli.js')}" "$@"\nexit 127\n`,
  );
  chmodSync(join(directory, 'bin/npx'), 0o755);
  aliasRedisClient(join(directory, 'bin'));

  // Nothing of whoever runs the tests: a provider's key of theirs would be used.
  const own: Environment = {
    PATH: [join(directory, 'bin'), dirname(process.execPath), process.env.PATH ?? ''].join(delimiter),
    HOME: directory,
    PORT: String(data),
    METRICS_PORT: String(metrics),
  };
  let exported: Environment = own;
  let gateway: ChildProcess | undefined;
  const stop = async () => {
    if (gateway?.pid === undefined || gateway.exitCode !== null) return;
    const over = new Promise((resolve) => gateway?.once('close', resolve));
    process.kill(-gateway.pid, 'SIGTERM');
    await over;
    gateway = undefined;
  };
  return {
    directory,
    local,
    write(file, text) {
      mkdirSync(dirname(join(directory, file)), { recursive: true });
      writeFileSync(join(directory, file), text);
    },
    async start(environment) {
      await stop();
      // A group of its own: npm, the script and the gateway end together.
      gateway = spawn('npm', ['start'], { cwd: directory, env: { ...own, ...environment }, detached: true });
      return await serving(gateway);
    },
    async shell(lines) {
      const left = join(directory, 'environment');
      const ran = await done(
        spawn('bash', ['-euo', 'pipefail', '-c', `${lines}\nenv -0 > '${left}'`], { cwd: directory, env: exported }),
      );
      if (ran.code === 0) exported = environmentIn(readFileSync(left, 'utf8'));
      return ran;
    },
    program: (command, args) => done(spawn(command, [...args], { cwd: directory, env: exported })),
    async close() {
      await stop();
      await redis.stop();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

/** Where only Valkey is installed its client stands in for the one pages name: they speak the same. */
function aliasRedisClient(bin: string): void {
  const directories = (process.env.PATH ?? '').split(delimiter);
  if (directories.some((one) => existsSync(join(one, 'redis-cli')))) return;
  const client = directories.map((one) => join(one, 'valkey-cli')).find((one) => existsSync(one));
  if (client === undefined) return;
  accessSync(client);
  symlinkSync(client, join(bin, 'redis-cli'));
}

/** What a gateway prints until it serves; rejects where it ends instead. */
function serving(child: ChildProcess): Promise<string> {
  let printed = '';
  return new Promise((resolve, reject) => {
    const late = setTimeout(
      () => reject(new Error(`not serving after ${patience_ms} ms:\n${printed}`)),
      patience_ms,
    ).unref();
    const hear = (bytes: Buffer) => {
      printed += bytes;
      // The last line of the announcement.
      if (!printed.includes('"content": "Hello"}]}\'')) return;
      clearTimeout(late);
      resolve(printed);
    };
    child.stdout?.on('data', hear);
    child.stderr?.on('data', hear);
    child.once('error', reject);
    child.once('exit', (code) => reject(new Error(`npm start ended with ${code}:\n${printed}`)));
  });
}

function done(child: ChildProcess): Promise<Ran> {
  let out = '';
  let err = '';
  child.stdout?.on('data', (bytes) => {
    out += bytes;
  });
  child.stderr?.on('data', (bytes) => {
    err += bytes;
  });
  return new Promise((resolve, reject) => {
    const late = setTimeout(() => child.kill('SIGKILL'), patience_ms).unref();
    child.once('error', reject);
    child.once('close', (code) => {
      clearTimeout(late);
      resolve({ code, out, err });
    });
  });
}

function environmentIn(text: string): Environment {
  const entries = text.split('\0').filter((entry) => entry.includes('='));
  return Object.fromEntries(
    entries.map((entry) => [entry.slice(0, entry.indexOf('=')), entry.slice(entry.indexOf('=') + 1)]),
  );
}
