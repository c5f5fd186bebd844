import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { request } from '../contracts/ledger.ts';
import { ledgerHouse } from '../support/ledger-house.ts';
import { eventually } from '../support/wait.ts';

const house = ledgerHouse();
const notices: string[] = [];

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

test('an organisation whose keys are broken keeps nothing from others: what was abandoned comes back, entries become sums', async () => {
  const ledger = await house.watcher();
  const organizations = ['a', 'b', 'c', 'd'];
  for (const organization of organizations) {
    await ledger.reserve(request(`of-${organization}`, { nusd: 10 }, { organization, lease_ms: 1 }));
  }
  const client = house.server.client();
  const last = (await client.smembers('llm:organizations')).at(-1)!;
  const broken = organizations.filter((one) => one !== last);
  for (const one of broken) {
    for (const name of ['leases', 'entries', 'owners']) await client.set(`llm:{${one}}:${name}`, 'broken');
  }
  const notice = (text: string) => notices.push(text);
  const looking = await house.watcher({ reap_interval_ms: 20, owner: 'looking', entries_max: 0, notice });
  await looking.read(last, [], []);
  await eventually(async () => (await ledger.holds(last)).length === 0);
  await eventually(async () => (await client.xlen(`llm:{${last}}:entries`)) === 0);
  expect(await ledger.reconcile(last, { repair: false })).toEqual([]);
  expect(await ledger.counters(last)).toMatchObject([{ spent: 10, held: 0 }]);
  expect(notices.join()).toContain('upkeep failed');
});
