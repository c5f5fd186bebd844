import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { test } from 'vitest';
import { openEmbeddedLedger } from '../../src/stores/index.ts';
import { follow, type Openable, steps } from './ledger-model.ts';

test.each([
  ['one segment', 1 << 25],
  ['a new segment every few steps', 600],
])('embedded, %s: whatever happens, through crashes, the sums are those of the calls', async (_, segment_bytes_max) => {
  await fc.assert(
    fc.asyncProperty(steps, async (list) => {
      const home = mkdtempSync(join(tmpdir(), 'ledger-model-'));
      let now = 1_795_250_000_000;
      let lives = 0;
      const open = () =>
        openEmbeddedLedger({
          path: join(home, String(lives)),
          clock: () => ++now,
          reap_interval_ms: 0,
          segment_bytes_max,
        });
      const left: Openable['ledger'][] = [];
      const under: Openable = {
        ledger: await open(),
        async restart() {
          // A crash keeps exactly what was written: the copy is what a killed process leaves behind.
          cpSync(join(home, String(lives)), join(home, String(lives + 1)), { recursive: true });
          rmSync(join(home, String(lives + 1), 'lock'));
          lives++;
          left.push(under.ledger);
          under.ledger = await open();
        },
      };
      try {
        await follow(under, list);
      } finally {
        for (const ledger of [under.ledger, ...left]) await ledger.close();
        rmSync(home, { recursive: true });
      }
    }),
    { numRuns: 120 },
  );
});
