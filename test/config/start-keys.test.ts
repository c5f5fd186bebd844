import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { afterAll, describe, expect, it } from 'vitest';
import { ensureStartKeys } from '../../src/config.ts';

const directory = mkdtempSync(join(tmpdir(), 'start-'));
afterAll(() => rmSync(directory, { recursive: true }));

describe('the keys of a first start', () => {
  const data = join(directory, 'data');

  it('are made once, in files of their owner alone, and are the same ever after', () => {
    const first = ensureStartKeys(data);
    expect(first.created).toBe(true);
    expect(first.teamKey.reveal()).toMatch(/^lpk_[A-Za-z0-9]{12}_[A-Za-z0-9]{43}$/);
    expect(first.adminKey.reveal()).toMatch(/^lpa_[A-Za-z0-9]{12}_[A-Za-z0-9]{43}$/);
    const second = ensureStartKeys(data);
    expect(second.created).toBe(false);
    expect([second.teamKey.reveal(), second.adminKey.reveal()]).toEqual([
      first.teamKey.reveal(),
      first.adminKey.reveal(),
    ]);
    expect(readdirSync(data).sort()).toEqual(['admin.key', 'team.key']);
    for (const file of [first.teamKeyFile, first.adminKeyFile]) expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(statSync(data).mode & 0o777).toBe(0o700);
    expect(readFileSync(first.teamKeyFile, 'utf8').trim()).toBe(first.teamKey.reveal());
    expect(JSON.stringify(first) + inspect(first)).not.toContain(first.teamKey.reveal());
  });
});
