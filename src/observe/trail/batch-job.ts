import type { Job } from '../../stores/index.ts';
import type { Batch } from './batch.ts';
import { type Address, addressText, batchClaim, lateClaim } from './claim.ts';
import { parsedLine, type SpooledRecord } from './line.ts';
import type { Run } from './run.ts';

interface Parts {
  readonly sink: string;
  readonly late: boolean;
  readonly run?: Run | undefined;
  readonly lines: () => readonly string[];
  readonly claim: () => string;
}

/**
 * Records on their way to a sink. Whoever is handed the job itself has them as they lie in memory; a queue that leaves
 * the process carries a claim, which names them where the spool keeps them.
 */
export class BatchJob implements Job {
  readonly id: string;
  /** Its sink has taken the records from this process's hand: nobody else's word. */
  handed = false;
  readonly #parts: Parts;

  constructor(id: string, parts: Parts) {
    this.id = id;
    this.#parts = parts;
  }

  get sink(): string {
    return this.#parts.sink;
  }

  /** The records after them are there already. */
  get late(): boolean {
    return this.#parts.late;
  }

  /** As they lie in memory, where they do. */
  get run(): Run | undefined {
    return this.#parts.run;
  }

  get payload(): string {
    return this.#parts.claim();
  }

  /** Throws where a line is no record. */
  records(): readonly SpooledRecord[] {
    return this.#parts.lines().map(parsedLine);
  }
}

/** Records of a spool that follow each other. */
export function batchJob(address: Address, batch: Batch): BatchJob {
  const { from, to, run, lines } = batch;
  return new BatchJob(`${addressText(address)}.${from}-${to}`, {
    sink: address.sink,
    late: false,
    run,
    lines,
    claim: () => batchClaim(address, batch),
  });
}

/** A record that is set aside: its line lies in the file of those. */
export function lateJob(address: Address, seq: number, line: string): BatchJob {
  return new BatchJob(`${addressText(address)}.late-${seq}`, {
    sink: address.sink,
    late: true,
    lines: () => [line],
    claim: () => lateClaim(address, seq, line),
  });
}
