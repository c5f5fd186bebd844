import { mkdirSync, mkdtempSync, renameSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, onTestFinished, test } from 'vitest';
import { runAndWatch } from '../../src/surfaces/cli/test-watch.ts';
import { eventually } from '../support/money.ts';

interface House {
  readonly dir: string;
  /** What each run found in the file that is looked at. */
  readonly told: string[];
  /** What happens while a run is under way, by its number. */
  readonly during: Map<number, () => void>;
  save(name: string, text: string): void;
  start(): { readonly ended: Promise<unknown> };
}

/** Watches `tests`, and what runs read from in `elsewhere`. */
function house(): House {
  const dir = mkdtempSync(join(tmpdir(), 'llm-policy-watch-'));
  const stop = new AbortController();
  const told: string[] = [];
  const during = new Map<number, () => void>();
  const save = (name: string, text: string) => {
    mkdirSync(join(dir, name, '..'), { recursive: true });
    writeFileSync(join(dir, name), text);
  };
  save('tests/a.yaml', 'one');
  save('elsewhere/policy.yaml', 'one');
  const long_ago = Date.now() / 1000 - 60;
  for (const name of ['tests/a.yaml', 'elsewhere/policy.yaml']) utimesSync(join(dir, name), long_ago, long_ago);
  let runs = 0;
  const start = () => {
    const ended = runAndWatch({
      places: [join(dir, 'tests')],
      async run() {
        runs += 1;
        during.get(runs)?.();
        told.push(`ran ${runs}`);
        return [join(dir, 'elsewhere')];
      },
      changed: () => void told.push('changed'),
      failed: (error) => void told.push(String(error)),
      watching: () => void told.push('watching'),
      signal: stop.signal,
    }).catch((error: unknown) => error);
    onTestFinished(async () => {
      stop.abort();
      await ended;
      rmSync(dir, { recursive: true, force: true });
    });
    return { ended };
  };
  return { dir, told, during, save, start };
}

const begun = ['ran 1', 'watching'];

test('a save during the first run runs the tests again', async () => {
  const one = house();
  one.during.set(1, () => one.save('tests/a.yaml', 'two'));
  one.start();
  await eventually('it runs again', () => one.told.length === 4);
  expect(one.told).toEqual([...begun, 'changed', 'ran 2']);
  await sleep(700);
  expect(one.told).toHaveLength(4);
});

test('so does one of a policy that only that run leads to, and a test that is new', async () => {
  const one = house();
  one.during.set(1, () => one.save('elsewhere/policy.yaml', 'two'));
  one.during.set(2, () => one.save('tests/deep/er/b.yaml', 'new'));
  one.start();
  await eventually('it runs twice more', () => one.told.length === 6);
  expect(one.told).toEqual([...begun, 'changed', 'ran 2', 'changed', 'ran 3']);
});

test('a file that an editor puts in the place of the old one is seen each time', async () => {
  const one = house();
  one.start();
  await eventually('the first run', () => one.told.length === 2);
  for (let save = 1; save <= 3; save += 1) {
    one.save('tests/.a.yaml.tmp', `save ${save}`);
    renameSync(join(one.dir, 'tests/.a.yaml.tmp'), join(one.dir, 'tests/a.yaml'));
    await eventually('it runs again', () => one.told.length === 2 + 2 * save);
  }
  rmSync(join(one.dir, 'tests/a.yaml'));
  await eventually('a file that is gone is a change', () => one.told.length === 10);
});

test('nothing runs where nothing changed, and a hidden file is no change', async () => {
  const one = house();
  one.start();
  await eventually('the first run', () => one.told.length === 2);
  one.save('tests/.a.yaml.swp', 'an editor at work');
  await sleep(700);
  expect(one.told).toEqual(begun);
});

test('a later run that fails is told and waits for the next save; the first one ends it', async () => {
  const one = house();
  const broken = () => {
    throw new Error('half a file');
  };
  one.during.set(1, () => one.save('tests/a.yaml', 'two'));
  one.during.set(2, broken);
  one.start();
  await eventually('it failed', () => one.told.length === 4);
  expect(one.told).toEqual([...begun, 'changed', 'Error: half a file']);
  one.save('tests/a.yaml', 'whole again');
  await eventually('it runs again', () => one.told.length === 6);
  const other = house();
  other.during.set(1, broken);
  expect(await other.start().ended).toEqual(new Error('half a file'));
});
