import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const mine = new Set<string>();

function alive(pid: number): boolean {
  // Our own id in a file we did not write is an earlier process's (containers start at 1 again).
  if (pid === process.pid) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/** Makes this process the owner of a directory; throws while another one is. Returns how to let go. */
export function lockDirectory(dir: string): () => void {
  const path = join(dir, 'lock');
  if (mine.has(path)) throw new Error(`${dir} is open already`);
  try {
    writeFileSync(path, String(process.pid), { flag: 'wx' });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    const owner = Number(readFileSync(path, 'utf8'));
    if (Number.isInteger(owner) && owner > 0 && alive(owner)) throw new Error(`${dir} is held by process ${owner}`);
    writeFileSync(path, String(process.pid));
  }
  mine.add(path);
  return () => {
    mine.delete(path);
    rmSync(path, { force: true });
  };
}
