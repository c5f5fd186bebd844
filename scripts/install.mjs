import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = dirname(dirname(fileURLToPath(import.meta.url)));

/** Runs a command with our terminal; ends this process with its code when it fails. */
export function run(command, args, options = {}) {
  const { status, error } = spawnSync(command, args, { cwd: root, stdio: 'inherit', ...options });
  if (error) fail(`${command} could not be run: ${error.message}`);
  if (status !== 0) process.exit(status ?? 1);
}

export function fail(message) {
  console.error(message);
  process.exit(1);
}

/** Node as the package asks for it: told before anything else fails in a stranger way. */
export function checkNode() {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  if (major < 20 || (major === 20 && minor < 19)) {
    fail(`This needs Node 20.19 or later; this is Node ${process.versions.node}.`);
  }
}

/** Installs the locked dependencies where they are missing or older than the lock file. */
export function installPackages() {
  const installed = join(root, 'node_modules', '.package-lock.json');
  const lock = join(root, 'package-lock.json');
  if (existsSync(installed) && statSync(installed).mtimeMs >= statSync(lock).mtimeMs) return;
  if (existsSync(installed) && sameVersions(installed, lock)) return;
  console.log('Installing dependencies ...');
  run('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error']);
}

/** A checkout touches the lock file; what counts is whether the versions in it are those installed. */
function sameVersions(installed, lock) {
  const versions = (file) => JSON.parse(readFileSync(file, 'utf8')).packages ?? {};
  const have = versions(installed);
  return Object.entries(versions(lock)).every(
    ([path, { version, optional }]) => path === '' || optional || have[path]?.version === version,
  );
}

/** Compiles `src/` where it is newer than `dist/`. */
export function build() {
  const built = join(root, 'dist', 'cli.js');
  if (existsSync(built) && newest(join(root, 'src')) <= statSync(built).mtimeMs) return;
  console.log('Building ...');
  const compiler = join(root, 'node_modules', 'typescript', 'bin', 'tsc');
  // What does not compile leaves nothing behind: it would be newer than its source, and count as built the next time.
  run(process.execPath, [compiler, '-p', 'tsconfig.build.json', '--noEmitOnError']);
  if (existsSync(join(root, 'dist', 'edge.js'))) run(process.execPath, [join(root, 'scripts', 'bundle.mjs')]);
}

function newest(directory) {
  let latest = 0;
  for (const entry of readdirSync(directory, { withFileTypes: true })) {
    const path = join(directory, entry.name);
    latest = Math.max(latest, entry.isDirectory() ? newest(path) : statSync(path).mtimeMs);
  }
  return latest;
}

/** A program from the system's packages, for tests. Says how to get it where we may not install it ourselves. */
export function installServer(program, aptPackage) {
  if (spawnSync('which', [program]).status === 0) return;
  const root = process.getuid?.() === 0;
  if (!root || spawnSync('which', ['apt-get']).status !== 0) {
    fail(
      `The tests need ${program}: install it with your system's packages (on Debian: apt-get install ${aptPackage}).`,
    );
  }
  console.log(`Installing ${aptPackage} ...`);
  run('apt-get', ['update', '-qq'], { stdio: 'ignore' });
  run('apt-get', ['install', '-y', '-qq', '--no-install-recommends', aptPackage], {
    stdio: ['ignore', 'ignore', 'inherit'],
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
  });
}
