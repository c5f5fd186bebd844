import { randomBytes } from 'node:crypto';
import { closeSync, fsyncSync, linkSync, openSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';

/**
 * Writes a file that only its owner may read, whole or not at all: beside it first, synced, then put in its place.
 * With `exclusive` a file that is there stays, and the call throws `EEXIST`.
 */
export function writePrivateFile(path: string, text: string | Uint8Array, { exclusive = false } = {}): void {
  const beside = `${path}.${process.pid}.${randomBytes(6).toString('hex')}`;
  const file = openSync(beside, 'wx', 0o600);
  try {
    try {
      // All of it: a disk that is nearly full takes a part of one write and says so in its result alone.
      writeFileSync(file, text);
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
    if (exclusive) linkSync(beside, path);
    else renameSync(beside, path);
  } finally {
    rmSync(beside, { force: true });
  }
  syncDirectory(dirname(path));
}

/** Makes a name that was just put into a directory survive a power cut. */
function syncDirectory(directory: string): void {
  const handle = openSync(directory, 'r');
  try {
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
}
