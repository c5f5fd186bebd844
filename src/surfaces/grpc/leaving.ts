import { Failure } from '../../exchange/index.ts';

/** Whether the server takes its leave: streams that have no end of their own end then. */
export class Leaving {
  readonly #waiting = new Set<() => void>();
  #now = false;

  get now(): boolean {
    return this.#now;
  }

  /** Called once when it leaves. What comes back forgets about it. */
  when(away: () => void): () => void {
    this.#waiting.add(away);
    return () => this.#waiting.delete(away);
  }

  leave(): void {
    this.#now = true;
    for (const away of this.#waiting) away();
    this.#waiting.clear();
  }
}

export function shutsDown(): Failure {
  return new Failure('no_healthy_provider', 'This server shuts down; ask another one.');
}
