import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openPolicyFiles, openPolicySet } from '../../src/registry/index.ts';
import { crash, runProgram } from '../observe/program.ts';

let directory: string;
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'llm-policy-publish-'));
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

test('what was published is there after kill -9, and two policies of one change never part', async () => {
  const shelf = join(directory, 'policies');
  for (let round = 0; round < 3; round += 1) {
    const child = await runProgram(join(import.meta.dirname, 'publish-child.ts'), join(directory, 'out'), [shelf]);
    let said = '';
    await new Promise<void>((resolve) => {
      child.stdout?.on('data', (bytes) => {
        said += bytes;
        // At another moment of its work each time.
        if (said.split('\n').length > 12 + round) setTimeout(resolve, round * 3);
      });
    });
    await crash(child);
    const promised = Number(said.trim().split('\n').at(-1));
    const set = openPolicySet({
      shelf: openPolicyFiles(shelf),
      base: { policies: [], default: 'allow', emptyAllowed: true },
      clock: Date.now,
    });
    const [one, other] = [set.get('one'), set.get('other')];
    expect(set.revision).toBeGreaterThanOrEqual(promised);
    expect(one?.version).toBe(other?.version);
    expect(one?.version).toBe(`1.0.${set.revision}`);
    expect(set.versions('one', 'default').length).toBe(set.versions('other', 'default').length);
    expect(set.program().policies.length).toBe(2);
    set.close();
  }
}, 120_000);
