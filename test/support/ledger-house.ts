import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach } from 'vitest';
import type { LeasedLedger, LeasedLedgerOptions, RedisLedger, RedisLedgerOptions } from '../../src/stores/index.ts';
import { openLeasedLedger, openRedisLedger } from '../../src/stores/index.ts';
import { type RedisServer, startRedis } from './redis.ts';

/** A Redis for each test, and what is opened beside it. */
export class LedgerHouse {
  server!: RedisServer;
  #opened: { close(): Promise<void> }[] = [];
  #directories: string[] = [];
  #processes = 0;

  /** Closes it after the test, in the order of keeping. */
  keep<T extends { close(): Promise<void> }>(ledger: T): T {
    this.#opened.push(ledger);
    return ledger;
  }

  /** A directory that is removed after the test. */
  directory(): string {
    const path = mkdtempSync(join(tmpdir(), 'ledger-'));
    this.#directories.push(path);
    return path;
  }

  /** What a process that dies now leaves on its disk; nobody owns it. */
  leftOf(path: string): string {
    const copy = this.directory();
    cpSync(path, copy, { recursive: true, filter: (name) => !name.endsWith('lock') });
    return copy;
  }

  /** Somebody who only looks. */
  async watcher(over: Partial<RedisLedgerOptions> = {}): Promise<RedisLedger> {
    const quiet = { reap_interval_ms: 0, deadline_ms: 2_000 };
    const options = { url: this.server.url, keyPrefix: 'llm', owner: 'watch', ...quiet };
    return this.keep(await openRedisLedger({ ...options, ...over }));
  }

  /** A process with slices of its own, which does by itself as little as it may. */
  async process(over: Partial<LeasedLedgerOptions> = {}): Promise<LeasedLedger> {
    const path = over.path ?? this.directory();
    const quiet = { report_ms: 0, reap_interval_ms: 0, deadline_ms: 2_000 };
    // A name of its own, as every gateway has: Redis that lost its data waits for each.
    const owner = `process-${++this.#processes}`;
    const options = { url: this.server.url, keyPrefix: 'llm', owner, path, ...quiet };
    return this.keep(await openLeasedLedger({ ...options, ...over }));
  }

  /** The leases of all slices that there are, are over for Redis. */
  async lapse(organization: string): Promise<void> {
    const client = this.server.client();
    const slices = `llm:{${organization}}:slices`;
    for (const owner of await client.zrange(slices, '0', '-1')) await client.zadd(slices, 1, String(owner));
  }

  async closeAll(): Promise<void> {
    for (const ledger of this.#opened.splice(0)) await ledger.close();
  }

  async open(): Promise<void> {
    this.server = await startRedis();
  }

  async end(): Promise<void> {
    this.server.thaw();
    await this.closeAll();
    await this.server.stop();
    for (const path of this.#directories.splice(0)) rmSync(path, { recursive: true, force: true });
  }
}

/** One that is opened before each test of a file, and ended after it. */
export function ledgerHouse(): LedgerHouse {
  const house = new LedgerHouse();
  beforeEach(() => house.open());
  afterEach(() => house.end());
  return house;
}
