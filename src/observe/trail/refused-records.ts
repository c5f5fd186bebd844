import type { AuditRecord } from '../record.ts';

/** Records of refused calls kept in memory while the disk is full; what is over it is counted. */
const waiting_max = 4096;

/** Refused calls that ended while the disk was full: their records wait for room of their own. */
export class RefusedRecords {
  readonly #onGivenUp: ((count: number) => void) | undefined;
  #waiting: AuditRecord[] = [];
  #givenUp = 0;
  #told = 0;

  constructor(onGivenUp: ((count: number) => void) | undefined) {
    this.#onGivenUp = onGivenUp;
  }

  add(record: AuditRecord): void {
    if (this.#waiting.length < waiting_max) this.#waiting.push(record);
    else this.#givenUp += 1;
  }

  /** Those that are in no file: they wait, or were given up. */
  get count(): number {
    return this.#waiting.length + this.#givenUp;
  }

  /** There is room for those that wait; how many there was none for is told. */
  take(): readonly AuditRecord[] {
    const waiting = this.#waiting;
    this.#waiting = [];
    this.#tell(this.#givenUp - this.#told);
    this.#told = this.#givenUp;
    return waiting;
  }

  /** There never will be room: all of them are told. */
  giveUp(): void {
    this.#givenUp += this.#waiting.length;
    this.#waiting = [];
    this.take();
  }

  #tell(count: number): void {
    if (count > 0) this.#onGivenUp?.(count);
  }
}
