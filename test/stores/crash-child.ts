import { writeSync } from 'node:fs';
import { openEmbeddedLedger } from '../../src/stores/embedded/index.ts';

// A process that spends as fast as it can, says what it was promised, and is killed while doing so.
const [path = '', round = '0'] = process.argv.slice(2);
const ledger = await openEmbeddedLedger({ path, segment_bytes_max: 200_000 });
const say = (text: string) => writeSync(1, `${text}\n`);
const budgets = [
  { scope: { kind: 'team', id: 'research' }, window: 'total', unit: 'nusd', limit: 1e12, hard: true, warnPercent: [] },
] as const;

async function worker(name: number): Promise<void> {
  for (let at = 0; ; at++) {
    const id = `${round}-${name}-${at}`;
    const amount = { nusd: 10 + (at % 7), tokens: 5 };
    await ledger.reserve({
      id,
      organization: 'acme',
      amount,
      budgets,
      rates: [],
      lease_ms: 100,
      owner: `child ${round}`,
    });
    say(`held ${id} ${amount.nusd}`);
    if (at % 3 === 2) {
      await ledger.release(id, 'acme');
      say(`released ${id} 0`);
    } else if (at % 3 === 1 || at % 2 === 0) {
      await ledger.settle({ id, organization: 'acme', amount: { nusd: at % 11, tokens: 1 }, estimated: false });
      say(`settled ${id} ${at % 11}`);
    }
  }
}
say('ready 0 0');
await Promise.all([0, 1, 2, 3, 4].map(worker));
