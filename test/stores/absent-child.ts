import { writeSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { openLeasedLedger } from '../../src/stores/leased/index.ts';

// A process that is stopped and goes on: it reserves what its lines say (`id nusd limit`), and tells what became of it.
const [url = '', path = '', lease = '0'] = process.argv.slice(2);
const settings = { keyPrefix: 'llm', owner: 'child', deadline_ms: 30_000, report_ms: 0, idle_ms: 600_000 };
const ledger = await openLeasedLedger({ url, path, slice_lease_ms: Number(lease), ...settings });
const say = (text: string) => writeSync(1, `${text}\n`);

async function reserve(id: string, nusd: number, limit: number): Promise<void> {
  const scope = { kind: 'team', id: 'research' } as const;
  const budgets = [{ scope, window: 'total', unit: 'nusd', limit, hard: true, warnPercent: [] }] as const;
  const hold = { id, organization: 'acme', budgets, rates: [], lease_ms: 600_000, owner: 'child' };
  const { outcome } = await ledger.reserve({ ...hold, amount: { nusd, tokens: 0 } });
  say(`${id} ${outcome}`);
}
createInterface({ input: process.stdin }).on('line', (line) => {
  const [id = '', nusd, limit] = line.split(' ');
  reserve(id, Number(nusd), Number(limit)).catch((error: Error) => say(`${id} failed: ${error.message}`));
});
say('ready');
