import type { LaneMatcher, Span } from '../exchange/index.ts';
import type { Anchors } from './anchors.ts';
import type { Machine } from './matcher/machine.ts';
import { PlainLane } from './matcher/plain-lane.ts';

const none: readonly Span[] = [];

/**
 * Follows a text that nobody waits for before its end. Where it comes in one piece without an anchor nothing can match,
 * and it is not read; any other is followed as a stream is.
 */
export class WholeLane implements LaneMatcher {
  readonly #machine: Machine;
  readonly #anchors: readonly Anchors[];
  #unread = '';
  #lane: PlainLane | undefined;
  #over = false;

  constructor(machine: Machine, anchors: readonly Anchors[]) {
    this.#machine = machine;
    this.#anchors = anchors;
  }

  get spans(): readonly Span[] {
    return this.#lane?.spans ?? none;
  }

  get decided(): number {
    if (this.#lane !== undefined) return this.#lane.decided;
    return this.#over ? this.#unread.length : 0;
  }

  get unable(): string | undefined {
    return this.#lane?.unable;
  }

  feed(text: string): number {
    if (this.#over) return this.decided;
    if (this.#lane !== undefined) return this.#lane.feed(text);
    if (this.#unread === '' && !this.#anchored(text)) {
      this.#unread = text;
      return 0;
    }
    this.#lane = new PlainLane(this.#machine);
    if (this.#unread !== '') this.#lane.feed(this.#unread);
    return this.#lane.feed(text);
  }

  finish(): number {
    this.#over = true;
    return this.#lane === undefined ? this.#unread.length : this.#lane.finish();
  }

  #anchored(text: string): boolean {
    for (const { any } of this.#anchors) if (any(text)) return true;
    return false;
  }
}
