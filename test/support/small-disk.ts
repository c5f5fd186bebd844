import { spawnSync } from 'node:child_process';
import { closeSync, mkdirSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A file system of its own that can be filled to the last byte. */
export interface SmallDisk {
  /** Takes all the room there is. */
  fill(): void;
  /** Gives it back. */
  free(): void;
  unmount(): void;
}

/** Why no file system can be mounted here; undefined where one can. */
export const noMount: string | undefined = whyNot();

function whyNot(): string | undefined {
  if (process.platform !== 'linux') return 'a small disk needs Linux';
  if (process.getuid?.() !== 0) return 'only root may mount a small disk';
  const path = mkdtempSync(join(tmpdir(), 'mount-'));
  const { status, stderr, error } = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', path]);
  if (status === 0) spawnSync('umount', [path]);
  rmSync(path, { recursive: true, force: true });
  return status === 0 ? undefined : `mounting is not allowed here: ${error?.message ?? String(stderr).trim()}`;
}

/** Mounts a disk of this size at a directory, which is made. */
export function mountSmallDisk(path: string, megabytes: number): SmallDisk {
  mkdirSync(path, { recursive: true });
  const { status, stderr } = spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${megabytes}m`, 'tmpfs', path]);
  if (status !== 0) throw new Error(`cannot mount a small disk: ${String(stderr).trim()}`);
  const ballast = join(path, 'ballast');
  return {
    fill() {
      const fd = openSync(ballast, 'a');
      try {
        for (let bytes = Buffer.alloc(1 << 20); bytes.length > 0; ) {
          try {
            if (writeSync(fd, bytes) < bytes.length) throw Object.assign(new Error('full'), { code: 'ENOSPC' });
          } catch (error) {
            if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
            bytes = bytes.subarray(0, bytes.length >> 1);
          }
        }
      } finally {
        closeSync(fd);
      }
    },
    free: () => rmSync(ballast, { force: true }),
    unmount: () => void spawnSync('umount', ['-l', path]),
  };
}
