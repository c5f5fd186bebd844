import type { Line } from './line.ts';

export interface EnrolledOptions {
  readonly line: Line;
  /** `llm:`, or nothing. */
  readonly prefix: string;
  readonly deadline_ms: number;
}

/** The organisations that have anything in Redis: whoever comes after a crash must find those whose holds were abandoned. */
export class Enrolled {
  readonly #options: EnrolledOptions;
  readonly #mine = new Set<string>();

  constructor(options: EnrolledOptions) {
    this.#options = options;
  }

  readonly enrol = (organization: string): void => {
    if (this.#mine.has(organization)) return;
    this.#mine.add(organization);
    const { line, prefix, deadline_ms } = this.#options;
    line.call('sadd', [`${prefix}organizations`, organization], deadline_ms).catch(() => {
      this.#mine.delete(organization);
    });
  };

  /** A Redis that lost data may have lost that as well. */
  again(organization: string): void {
    this.#mine.delete(organization);
    this.enrol(organization);
  }

  /** Those of every process. */
  async all(): Promise<Set<string>> {
    const { line, prefix, deadline_ms } = this.#options;
    const all = (await line.call('smembers', [`${prefix}organizations`], deadline_ms)) as string[];
    return new Set([...all, ...this.#mine]);
  }
}
