import { mkdirSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { LedgerUnavailable } from '../ledger.ts';
import { lock } from '../lock.ts';
import { inherit } from './expire.ts';
import type { EmbeddedLedger, EmbeddedLedgerOptions } from './index.ts';
import { Journal } from './journal.ts';
import { Embedded } from './ledger.ts';
import { Scribe } from './records.ts';
import { Replay } from './replay.ts';
import { load, succession } from './segments.ts';

const prune_every = 60;

/**
 * Opens the ledger kept in this process and journalled to `path`. Throws where another process holds the directory, and
 * where the journal is damaged in its middle (the message says where); a torn end is cut off with a notice.
 */
export async function openEmbeddedLedger(options: EmbeddedLedgerOptions): Promise<EmbeddedLedger> {
  const { path, clock = Date.now, fsync = 'group', notice = () => {} } = options;
  const segment_bytes_max = options.segment_bytes_max ?? 32 * 1_048_576;
  const entries_bytes_max = options.entries_bytes_max ?? 512 * 1_048_576;
  mkdirSync(path, { recursive: true, mode: 0o700 });
  let written: Journal | undefined;
  const held = lock(join(path, 'lock'), () => written?.abandon());
  try {
    for (const name of readdirSync(path)) if (name.endsWith('.draft')) rmSync(join(path, name));
    const loaded = load(path, notice, () => new Replay(new Map()));
    const organizations = loaded?.replay.organizations ?? new Map();
    inherit(organizations.values(), clock());
    const scribe = new Scribe(() => journal.next());
    const prune = () => {
      for (const org of organizations.values()) org.prune(clock());
    };
    const rotate = succession({
      directory: path,
      number: loaded?.number ?? 0,
      sync: fsync === 'always',
      bytes_max: entries_bytes_max,
      restart() {
        scribe.restart();
      },
      head(next, number) {
        prune();
        next().letters(`ledger 2 ${number} ${clock()}\n`);
        scribe.snapshot(organizations.values(), next);
      },
      notice,
    });
    // Always a fresh segment: numbers of names start anew with this process.
    const first = rotate();
    const journal = new Journal(first, { fsync, segment_bytes_max, rotate, held: held.held, notice });
    written = journal;
    const reap_interval_ms = options.reap_interval_ms ?? 1_000;
    let ticks = 0;
    // A disk that takes nothing the journal tells of itself, once.
    const unsettled = (error: Error): void => {
      if (!(error instanceof LedgerUnavailable)) notice(`abandoned holds could not be settled: ${error.message}`);
    };
    const tick = () => {
      void ledger.reap().catch(unsettled);
      if (++ticks % prune_every === 0) prune();
    };
    const timer = reap_interval_ms === 0 ? undefined : setInterval(tick, reap_interval_ms).unref();
    const closed = () => {
      clearInterval(timer);
      held.release();
    };
    const ledger = new Embedded({ directory: path, organizations, journal, scribe, clock, closed });
    return ledger;
  } catch (error) {
    held.release();
    throw error;
  }
}
