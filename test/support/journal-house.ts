import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach } from 'vitest';
import type { EmbeddedLedgerOptions } from '../../src/stores/embedded/index.ts';
import { type EmbeddedLedger, openEmbeddedLedger } from '../../src/stores/index.ts';
import { budget, request } from '../contracts/ledger.ts';

/** Embedded ledgers in directories of one test, with small segments, and what they said. */
export class JournalHouse {
  home = '';
  notices: string[] = [];
  readonly #opened: EmbeddedLedger[] = [];

  /** A directory nobody has yet. */
  place(): string {
    return join(this.home, String(this.#opened.length));
  }

  async open(path: string, over: Partial<EmbeddedLedgerOptions> = {}): Promise<EmbeddedLedger> {
    const ledger = await openEmbeddedLedger({
      path,
      reap_interval_ms: 0,
      segment_bytes_max: 2_000,
      entries_bytes_max: 4_000,
      notice: (text) => this.notices.push(text),
      ...over,
    });
    this.#opened.push(ledger);
    return ledger;
  }

  begin(): void {
    this.home = mkdtempSync(join(tmpdir(), 'journal-'));
    this.notices = [];
  }

  async end(): Promise<void> {
    for (const ledger of this.#opened.splice(0)) await ledger.close();
    rmSync(this.home, { recursive: true });
  }
}

/** One that is opened before each test of a file, and ended after it. */
export function journalHouse(): JournalHouse {
  const house = new JournalHouse();
  beforeEach(() => house.begin());
  afterEach(() => house.end());
  return house;
}

export const total = budget({ window: 'total', limit: 1e9 });

/** Spends one at a time until `enough`; how much that was. */
export async function spend(
  ledger: EmbeddedLedger,
  prefix: string,
  enough: (spent: number) => boolean,
): Promise<number> {
  let spent = 0;
  for (; !enough(spent); spent++) {
    const id = `${prefix}${spent}`;
    await ledger.reserve(request(id, { nusd: 1 }, { budgets: [total] }));
    await ledger.settle({ id, organization: 'acme', amount: { nusd: 1, tokens: 0 }, estimated: false });
  }
  return spent;
}

/** The newest segment of a journal. */
export function newest(path: string): string {
  const names = readdirSync(path).filter((name) => name.endsWith('.journal'));
  return join(path, names.sort().at(-1) ?? 'none');
}
