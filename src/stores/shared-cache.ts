/**
 * Small texts that processes share for a time. What is slow or lost has none of them: nothing here rejects, and nobody
 * waits beyond the deadline. Whoever reads must be able to tell whether a text is one it would have written.
 */
export interface SharedCache {
  get(key: string): Promise<string | undefined>;
  /** Kept for at most so long; whether it was is not told. */
  put(key: string, text: string, ttl_ms: number): void;
  close(): Promise<void>;
}
