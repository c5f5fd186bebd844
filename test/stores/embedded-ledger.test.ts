import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openEmbeddedLedger } from '../../src/stores/index.ts';
import { ledgerContract } from '../contracts/ledger.ts';

for (const fsync of ['group', 'always'] as const) {
  ledgerContract(`embedded, fsync ${fsync}`, async () => {
    const path = mkdtempSync(join(tmpdir(), 'ledger-'));
    let now = Date.parse('2026-11-21T09:06:10.500Z');
    const ledger = await openEmbeddedLedger({ path, fsync, clock: () => now, reap_interval_ms: 0 });
    return {
      ledger,
      pass: async (ms) => {
        now += ms;
      },
      now: async () => now,
      async close() {
        await ledger.close();
        rmSync(path, { recursive: true });
      },
    };
  });
}
