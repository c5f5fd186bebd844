import { existsSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { Settings } from '../config.ts';
import type { AuditMeasured, Log, Trail } from '../observe/index.ts';
import type { Ledger } from '../stores/index.ts';
import { openAudit, openLedger } from './open-stores.ts';
import { ownerName, slotOfSpool, slotPlaces } from './slots.ts';

/** Places on disk that no worker has any more, since there are fewer workers than there were. */
export interface LeftSlots {
  /** A trail's figures together with what was brought in from these places. */
  with(state: AuditMeasured): AuditMeasured;
  /** Tries records that were set aside there once more; how many were taken. */
  retry(): Promise<number>;
  close(): Promise<void>;
}

/** How often it is looked whether everything has arrived, and how soon a place that was held is tried again. */
const look_ms = 1000;

/**
 * Brings in what workers beyond `count` left: exchanges they had open get their record (`lost`), records go to the
 * sinks, settlements to Redis. What cannot go yet is waited for in the background; the gateway serves meanwhile.
 */
export async function openLeftSlots(settings: Settings, count: number, log: Log): Promise<LeftSlots> {
  const slots = leftSlots(settings, count).map((slot) => new LeftSlot(settings, slot, log));
  await Promise.all(slots.map((slot) => slot.look()));
  const timer = setInterval(() => {
    for (const slot of slots) void slot.look();
  }, look_ms).unref();
  return {
    with: (state) => slots.reduce((sum, slot) => together(sum, slot.state), state),
    async retry() {
      const taken = await Promise.all(slots.map((slot) => slot.retry()));
      return taken.reduce((sum, one) => sum + one, 0);
    },
    async close() {
      clearInterval(timer);
      await Promise.all(slots.map((slot) => slot.close()));
    },
  };
}

/** Slots beyond the count of which a spool or an outbox lies on disk. */
function leftSlots(settings: Settings, count: number): readonly number[] {
  const found = new Set<number>();
  for (const name of namesIn(join(settings.state.path, 'spool', 'spools'))) found.add(slotOfSpool(name) ?? 1);
  for (const name of namesIn(settings.state.path)) {
    const slot = Number(/^(?:ledger-outbox|slices|shares)-([1-9]\d*)$/.exec(name)?.[1] ?? 1);
    found.add(slot);
  }
  // The place of a process with workers is left over where there are none.
  return [...found].filter((slot) => slot > count || (slot === 0 && count === 1)).sort((one, other) => one - other);
}

function namesIn(directory: string): readonly string[] {
  try {
    return readdirSync(directory);
  } catch {
    return [];
  }
}

class LeftSlot {
  readonly #settings: Settings;
  readonly #slot: number;
  readonly #log: Log;
  #trail: Trail | undefined;
  #ledger: Ledger | undefined;
  #done = false;
  /** The ledger has heard everything. */
  #told = false;
  #looking: Promise<void> | undefined;
  /** What the trail told last. */
  state: AuditMeasured = nothingMeasured;

  constructor(settings: Settings, slot: number, log: Log) {
    this.#settings = settings;
    this.#slot = slot;
    this.#log = log;
  }

  /** Opens what is not open, and closes what has arrived. */
  look(): Promise<void> {
    this.#looking ??= this.#look().finally(() => {
      this.#looking = undefined;
    });
    return this.#looking;
  }

  /** A timer asks for it: what fails is said, and tried again at the next look. */
  async #look(): Promise<void> {
    if (this.#done) return;
    try {
      await this.#bringIn();
    } catch (error) {
      const fields = { worker: this.#slot, error };
      this.#log.change(`slot ${this.#slot}`, 'left', 'warn', 'what a worker left cannot be brought in yet', fields);
    }
  }

  async #bringIn(): Promise<void> {
    this.#trail ??= await openAudit(this.#settings, this.#log, this.#slot);
    if (this.#owed()) {
      this.#ledger ??= await openLedger(this.#settings, ownerName(this.#slot), this.#log, { slot: this.#slot });
    }
    this.state = this.#trail.state();
    if (this.#owed()) return;
    await this.#giveBack();
    // What is set aside waits for somebody to have it tried again, and that is this trail's to do.
    const { waiting, aside } = this.#trail.state();
    if (waiting > 0 || Object.values(aside).some((count) => count > 0)) return;
    this.#done = true;
    await this.#shut();
  }

  /** Whether settlements lie here that Redis has not heard of. */
  #owed(): boolean {
    if (this.#settings.state.driver !== 'redis' || this.#told) return false;
    const { outbox, slices, shares } = slotPlaces(this.#settings, this.#slot);
    if ((statSync(outbox, { throwIfNoEntry: false })?.size ?? 0) > 0) return true;
    // What was spent of slices and shares is told as they are opened; closing them gives the rest back.
    return this.#ledger === undefined && (existsSync(slices) || existsSync(shares));
  }

  async retry(): Promise<number> {
    return (await this.#trail?.retryAside()) ?? 0;
  }

  /** Nothing is owed any more: the ledger gives back what it still had. */
  async #giveBack(): Promise<void> {
    this.#told = true;
    await this.#ledger?.close();
    this.#ledger = undefined;
  }

  async #shut(): Promise<void> {
    await this.#trail?.close();
    if (this.#trail !== undefined) this.state = { ...this.#trail.state(), bytes: this.state.bytes };
    await this.#ledger?.close();
  }

  async close(): Promise<void> {
    await this.#looking;
    if (!this.#done) await this.#shut();
    this.#done = true;
  }
}

/** Of a trail that has seen nothing. */
export const nothingMeasured: AuditMeasured = {
  spooled: 0,
  delivered: {},
  failed: {},
  aside: {},
  missing: {},
  waiting: 0,
  bytes: 0,
};

/** Figures of two trails as those of one. */
export function together(one: AuditMeasured, other: AuditMeasured): AuditMeasured {
  return {
    spooled: one.spooled + other.spooled,
    delivered: summed(one.delivered, other.delivered),
    failed: summed(one.failed, other.failed),
    aside: summed(one.aside, other.aside),
    missing: summed(one.missing, other.missing),
    waiting: one.waiting + other.waiting,
    bytes: one.bytes + other.bytes,
  };
}

function summed(
  one: Readonly<Record<string, number>>,
  other: Readonly<Record<string, number>>,
): Readonly<Record<string, number>> {
  const sums: Record<string, number> = { ...one };
  for (const [name, value] of Object.entries(other)) sums[name] = (sums[name] ?? 0) + value;
  return sums;
}
