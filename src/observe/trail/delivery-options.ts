export interface DeliveryOptions {
  readonly clock: () => number;
  /** Waits this long for more records before a batch goes: fewer jobs and fewer fsyncs. */
  readonly linger_ms: number;
  /** Pause after the first failure; it doubles with each further one, up to the longest. */
  readonly retry_ms: number;
  readonly retry_ms_max: number;
  readonly onState: (sink: string, delivering: boolean, error: unknown) => void;
  /** Told when a record is set aside: its number, or 0 for a line that is no record. */
  readonly onAside: (sink: string, seq: number, error: unknown) => void;
  /** Told when so many records from this number on are nowhere any more: their segment was removed before the sink had them. */
  readonly onMissing: (sink: string, seq: number, count: number) => void;
  /** Told when the spool cannot be read for the sink, and with undefined when it can again. */
  readonly onReading: (sink: string, error: unknown) => void;
  /** Told after each acknowledged batch. */
  readonly onProgress: () => void;
}

/** Records in a batch from which on the next one waits longer: under load fewer, larger batches cost a call less. */
const busy_records = 64;
const busy_linger_factor = 5;

/** How long the batch after one of so many records waits for more, in milliseconds. */
export function lingerAfter(records: number, { linger_ms }: DeliveryOptions): number {
  return linger_ms * (records >= busy_records ? busy_linger_factor : 1);
}
