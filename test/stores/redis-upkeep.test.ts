import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { ledgerHouse } from '../support/ledger-house.ts';
import { eventually } from '../support/wait.ts';

const house = ledgerHouse();

test('a round of upkeep that takes longer than from one to the next is not joined by others, however many organisations there are', async () => {
  const ledger = await house.watcher({ reap_interval_ms: 5 });
  let [rounds, under_way, at_once] = [0, 0, 0];
  ledger.reap = async () => {
    under_way += 1;
    at_once = Math.max(at_once, under_way);
    await sleep(50);
    under_way -= 1;
    rounds += 1;
    return 0;
  };
  await eventually(() => rounds > 3);
  expect(at_once).toBe(1);
});
