import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { runCli, startCli } from '../support/cli-process.ts';
import { mountSmallDisk, noMount, type SmallDisk } from '../support/small-disk.ts';

const env = { PORT: '0', ADMIN_PORT: '0', METRICS_PORT: '0' };
const advice =
  /^llm-policy: no room is left on the disk of \/\S+\/data[^ ;]*; make room there and start again: what was written down before is whole \(ENOSPC/;

if (noMount !== undefined) test.skip(`a full disk is not tried: ${noMount}`, () => {});

describe.skipIf(noMount !== undefined)('a start on a full disk', () => {
  let directory: string;
  let data: string;
  let disk: SmallDisk;
  beforeAll(() => {
    directory = mkdtempSync(join(tmpdir(), 'llm-policy-full-'));
    data = join(directory, 'data');
    disk = mountSmallDisk(data, 16);
  });
  afterAll(() => {
    disk?.unmount();
    rmSync(directory, { recursive: true, force: true });
  });

  const refused = async () => {
    disk.fill();
    const { code, err } = await runCli(['serve'], { cwd: directory, env });
    expect([code, err]).toEqual([3, expect.stringMatching(advice)]);
  };

  test('says where there is no room and what to do, the first time and after a crash, and then goes on where it was', async () => {
    await refused();
    expect(readdirSync(data)).toEqual(['ballast']);
    disk.free();
    const first = await startCli(['serve'], { cwd: directory, env });
    const [, key] = await first.says(/team key\s+(\S+)/);
    first.kill('SIGKILL');
    await first.ended;
    await refused();
    disk.free();
    const again = await startCli(['serve'], { cwd: directory, env });
    expect((await again.says(/team key\s+(\S+)/))[1]).toBe(key);
    again.kill('SIGTERM');
    expect(await again.ended).toBe(0);
  });
});
