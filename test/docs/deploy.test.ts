import { spawn, spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { loadConfig } from '../../src/config.ts';
import { servingFlags } from '../../src/gateway/heap.ts';
import { startGateway } from '../support/gateway.ts';
import { freePort } from '../support/redis.ts';
import { root } from './blocks.ts';

const text = (file: string) => readFileSync(join(root, file), 'utf8');
const dockerfile = text('Dockerfile').replaceAll('\\\n', ' ');

interface Service {
  readonly environment?: Readonly<Record<string, string>>;
  readonly volumes?: readonly string[];
  readonly read_only?: boolean;
  readonly stop_grace_period?: string;
}
const compose = parse(text('docker-compose.yml')) as {
  readonly services: Readonly<Record<'gateway' | 'redis' | 'prometheus' | 'grafana', Service>>;
  readonly volumes: Readonly<Record<string, object>>;
};

/** What the image is told to do where it stands, on a port. Resolves to its exit code. */
function healthcheck(port: number): Promise<number | null> {
  const [program = '', ...args] = JSON.parse(/HEALTHCHECK.*?CMD (\[.*\])/.exec(dockerfile)?.[1] ?? '[]') as string[];
  expect(program).toBe('node');
  const child = spawn(process.execPath, args, { env: { PORT: String(port) }, stdio: 'ignore' });
  return new Promise((resolve) => child.once('exit', resolve));
}

describe('the image', () => {
  const copied = Array.from(dockerfile.matchAll(/^COPY (?!--from)(.+) \S+$/gm), ([, sources = '']) =>
    sources.split(' '),
  ).flat();

  it('starts Node as `npm start` does: with what keeps its memory small', () => {
    for (const flag of servingFlags) {
      expect(dockerfile).toMatch(new RegExp(`^ENTRYPOINT \\["node", .*"${flag}"`, 'm'));
      expect(text('scripts/start.mjs')).toContain(`'${flag}'`);
      expect(text('docs/operations.md')).toContain(flag);
    }
  });

  it('is made of what is there, and of nothing that the build is not shown', () => {
    expect(copied.length).toBeGreaterThan(8);
    expect(copied.filter((source) => !existsSync(join(root, source)))).toEqual([]);
    const [first, ...shown] = text('.dockerignore')
      .split('\n')
      .filter((line) => line !== '' && !line.startsWith('#'));
    expect(first).toBe('*');
    expect(shown.sort()).toEqual([...new Set(copied)].map((source) => `!${source}`).sort());
  });

  it('is shown every script it is built with', () => {
    const [shown = '', build = ''] = dockerfile.split('RUN npm run build');
    expect(build).not.toBe('');
    const { scripts } = JSON.parse(text('package.json')) as { scripts: Readonly<Record<'build', string>> };
    const named = [...scripts.build.matchAll(/\bnode (\w+)\//g)].map(([, folder]) => folder);
    expect(named.length).toBeGreaterThan(0);
    expect(named.filter((folder) => !shown.includes(`\nCOPY ${folder} ./${folder}\n`))).toEqual([]);
  });

  it('says whether it is well by asking the gateway', async () => {
    const gateway = await startGateway({
      providers: { demo: parse(text('providers/demo.yaml')) as Record<string, unknown> },
    });
    try {
      expect(await healthcheck(Number(new URL(gateway.origin).port))).toBe(0);
    } finally {
      await gateway.close();
    }
    expect(await healthcheck(await freePort())).toBe(1);
  });
});

/** Where a package of the lock file looks for another: beside itself, and at every level above. */
function placesOf(path: string): readonly string[] {
  const places = [''];
  for (const level of path.split('/node_modules/').keys()) {
    places.push(
      `${path
        .split('/node_modules/')
        .slice(0, level + 1)
        .join('/node_modules/')}/`,
    );
  }
  return places;
}

describe('docker-compose.yml', () => {
  it('mounts what is there, and volumes it has', () => {
    const mounts = Object.values(compose.services).flatMap(({ volumes = [] }) => volumes);
    const sources = mounts.map((mount) => mount.split(':')[0] ?? '');
    const [files, named] = [
      sources.filter((one) => one.startsWith('.')),
      sources.filter((one) => !one.startsWith('.')),
    ];
    expect(files.filter((file) => !existsSync(join(root, file)))).toEqual([]);
    expect(named.sort()).toEqual(Object.keys(compose.volumes).sort());
    expect(mounts.filter((mount) => mount.startsWith('.') && !mount.endsWith(':ro'))).toEqual([]);
  });

  it('has its metrics heard where Prometheus looks for them, and nothing else opened by it', async () => {
    const { environment: env = {} } = compose.services.gateway;
    const { settings } = await loadConfig({ file: 'config/gateway.yaml', env, cwd: root });
    const { server, admin, metrics, state } = settings ?? {};
    expect([server?.host, admin?.host, metrics?.host]).toEqual(['0.0.0.0', '127.0.0.1', '0.0.0.0']);
    expect([state?.driver, state?.url?.reveal()]).toEqual(['redis', 'redis://redis:6379']);
    expect(text('deploy/prometheus.yml')).toContain(`targets: ["gateway:${metrics?.port}"]`);
    const usual = await loadConfig({ file: 'config/gateway.yaml', env: {}, cwd: root });
    expect(usual.settings?.metrics.host).toBe('127.0.0.1');
  });

  it('gives a stopping gateway longer than it takes', async () => {
    const { settings } = await loadConfig({ file: 'config/gateway.yaml', env: {}, cwd: root });
    const given = Number.parseInt(compose.services.gateway.stop_grace_period ?? '10', 10) * 1000;
    expect(given).toBeGreaterThan(settings?.server.shutdown_grace_ms ?? Number.POSITIVE_INFINITY);
  });

  it('shows Grafana its data source and its dashboards', () => {
    const mounted = new Map(
      compose.services.grafana.volumes?.map((mount) => mount.split(':').slice(0, 2).reverse() as [string, string]),
    );
    const provisioning = mounted.get('/etc/grafana/provisioning') ?? '';
    const [source] = (parse(text(`${provisioning}/datasources/prometheus.yml`)) as { datasources: { url: string }[] })
      .datasources;
    expect(source?.url).toBe('http://prometheus:9090');
    const [boards] = (
      parse(text(`${provisioning}/dashboards/dashboards.yml`)) as { providers: { options: { path: string } }[] }
    ).providers;
    const folder = boards?.options.path ?? '';
    expect(existsSync(join(root, mounted.get(folder) ?? 'nowhere', 'gateway.json'))).toBe(true);
    expect(compose.services.grafana.environment?.GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH).toBe(
      `${folder}/gateway.json`,
    );
  });
});

describe('npm start', () => {
  it('finds everything that is to be installed in the lock file, what other machines need as well', () => {
    type Locked = Readonly<Record<'dependencies' | 'devDependencies' | 'optionalDependencies', object | undefined>>;
    const { packages } = JSON.parse(text('package-lock.json')) as { packages: Readonly<Record<string, Locked>> };
    const missing = Object.entries(packages).flatMap(([path, locked]) =>
      Object.keys({ ...locked.dependencies, ...locked.devDependencies, ...locked.optionalDependencies }).filter(
        (name) => !placesOf(path).some((place) => `${place}node_modules/${name}` in packages),
      ),
    );
    // `npm ci` refuses a lock file in which one is missing, also where this machine would not install it.
    expect(missing).toEqual([]);
  });

  it('builds again what did not compile, and does not take its pieces for a program', () => {
    const directory = mkdtempSync(join(tmpdir(), 'llm-policy-build-'));
    try {
      for (const name of ['scripts', 'package.json', 'tsconfig.json', 'tsconfig.build.json']) {
        cpSync(join(root, name), join(directory, name), { recursive: true });
      }
      symlinkSync(join(root, 'node_modules'), join(directory, 'node_modules'));
      mkdirSync(join(directory, 'src'));
      writeFileSync(join(directory, 'src/cli.ts'), "export const port: number = 'none';\n");
      const build = () =>
        spawnSync(
          process.execPath,
          ['--input-type=module', '-e', "import { build } from './scripts/install.mjs'; build();"],
          { cwd: directory, encoding: 'utf8' },
        );
      for (const time of ['first', 'second']) {
        const { status, stdout } = build();
        expect([time, status === 0, stdout.includes('src/cli.ts')]).toEqual([time, false, true]);
      }
      writeFileSync(join(directory, 'src/cli.ts'), 'export const port: number = 1;\n');
      expect(build().status).toBe(0);
      expect(existsSync(join(directory, 'dist/cli.js'))).toBe(true);
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
  });
});
