import { join } from 'node:path';
import { expect, test } from 'vitest';
import { LedgerUnavailable } from '../../src/stores/index.ts';
import { budget, request } from '../contracts/ledger.ts';
import { ledgerHouse } from '../support/ledger-house.ts';
import { takeOver } from '../support/taken-over.ts';

const house = ledgerHouse();

test('who stood still until another one took over its slices gives back none of them: they are held there', async () => {
  const limited = budget({ window: 'total', limit: 100 });
  const asks = (id: string, nusd: number) => request(id, { nusd }, { budgets: [limited] });
  const path = house.directory();
  const first = await house.process({ path });
  expect(await first.reserve(asks('a', 60))).toMatchObject({ outcome: 'held' });
  const left = house.leftOf(path);
  takeOver(join(path, 'lock'));
  const second = await house.process({ path: left });
  // It goes on under the same name.
  expect(await second.reserve(asks('b', 40))).toMatchObject({ outcome: 'held' });
  await expect(first.flush()).rejects.toThrow(LedgerUnavailable);
  await first.close().catch(() => {});
  const third = await house.process();
  expect(await third.reserve(asks('c', 30))).toMatchObject({ outcome: 'refused' });
  await second.flush();
  expect(await third.reserve(asks('c', 1))).toMatchObject({ outcome: 'refused' });
});
