import type { AuditRecord } from '../record.ts';

/** Records of refused calls kept in memory while the disk is full; what is over it is counted. */
const waiting_max = 4096;

/** Refused calls that ended while the disk was full: their records wait for room of their own. */
export class RefusedRecords {
  #waiting: AuditRecord[] = [];
  #givenUp = 0;
  #told = 0;

  add(record: AuditRecord): void {
    if (this.#waiting.length < waiting_max) this.#waiting.push(record);
    else this.#givenUp += 1;
  }

  /** Those that are in no file: they wait, or were given up. */
  get count(): number {
    return this.#waiting.length + this.#givenUp;
  }

  /** There is room for those that wait. */
  take(): readonly AuditRecord[] {
    const waiting = this.#waiting;
    this.#waiting = [];
    return waiting;
  }

  /** How many were given up since this was asked last. */
  givenUp(): number {
    const more = this.#givenUp - this.#told;
    this.#told = this.#givenUp;
    return more;
  }
}
