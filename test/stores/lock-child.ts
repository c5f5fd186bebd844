import fs, { rmSync, writeFileSync } from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { withFileLock } from '../../src/stores/file-lock.ts';
import { lock } from '../../src/stores/lock.ts';

/** As on a busy machine: after any step on the disk other processes may have their turn; long ones after a look at a file's age. */
const nobody = new Int32Array(new SharedArrayBuffer(4));
const pauses_ms = {
  readFile: 2,
  writeFile: 2,
  rename: 2,
  link: 2,
  symlink: 2,
  readlink: 2,
  unlink: 2,
  rm: 2,
  stat: 80,
};
const plain = fs as unknown as Record<string, (...given: unknown[]) => unknown>;
for (const [name, pause_ms] of Object.entries(pauses_ms)) {
  const step = plain[`${name}Sync`]!;
  plain[`${name}Sync`] = (...given) => {
    const answer = step(...given);
    if (Math.random() < 0.5) Atomics.wait(nobody, 0, 0, Math.random() * pause_ms);
    return answer;
  };
}
syncBuiltinESMExports();

// Locks each file it is told of, and says whether it has it; of many in a directory, named by number, says which.
for await (const told of createInterface({ input: process.stdin })) {
  const [file = '', count, patient] = told.split(' ');
  if (count === undefined) console.log(has(file) ?? 'mine');
  else if (patient === undefined) console.log(JSON.stringify(mineOf(file, Number(count))));
  else console.log(JSON.stringify(await overlaps(file, Number(count))));
}

function has(file: string): string | undefined {
  try {
    lock(file);
    return undefined;
  } catch (error) {
    return `not mine: ${(error as Error).message}`;
  }
}

function mineOf(directory: string, count: number): number[] {
  return Array.from({ length: count }, (_, at) => at).filter((at) => has(`${directory}/${at}`) === undefined);
}

/** How often another one was found at work under the same lock. */
async function overlaps(directory: string, count: number): Promise<number> {
  let found = 0;
  for (let at = 0; at < count; at += 1) {
    const work = `${directory}/${at}.work`;
    // All come in the same moment.
    await sleep(400 - (Date.now() % 400));
    await withFileLock(`${directory}/${at}`, () => {
      try {
        writeFileSync(work, '', { flag: 'wx' });
        Atomics.wait(nobody, 0, 0, 50);
      } catch {
        found += 1;
      }
      rmSync(work, { force: true });
    });
  }
  return found;
}
