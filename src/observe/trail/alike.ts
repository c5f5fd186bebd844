import type { Lines } from '../../stores/index.ts';
import type { Intent } from '../record.ts';
import { type Asked, askedBefore } from './asked.ts';
import { trimmed_exchange_max, trimmed_word_max } from './compose.ts';
import { writeLikeLine, writeWholeLine } from './intent-line.ts';
import type { Sealed } from './line.ts';

/** A whole line of this segment, and what it says beside who asked for what. */
interface Whole {
  readonly as: number;
  readonly sealed: Sealed | undefined;
  readonly program: string | undefined;
  readonly prices: string | undefined;
  readonly uninspected: boolean | undefined;
}

/**
 * Intents of one segment: of a caller who asks for the same again, only what is new is written. Each call has an intent, and most
 * of it is who called what: a spool takes a fifth less to the disk.
 */
export class Alike {
  readonly #whole = new WeakMap<Asked, Whole>();
  #count = 0;

  write(lines: Lines, intent: Intent, sealed: Sealed | undefined): void {
    const before = askedFor(intent);
    const whole = before && this.#whole.get(before);
    if (whole !== undefined && same(whole, intent, sealed)) {
      writeLikeLine(lines, intent, whole.as);
      return;
    }
    const as = this.#count + 1;
    writeWholeLine(lines, intent, sealed, as);
    // Only now: the first time that somebody asks for something, nothing is known of it before it is written.
    const asked = askedFor(intent);
    if (asked === undefined) return;
    this.#count = as;
    const { program, prices, uninspected } = intent;
    this.#whole.set(asked, { as, sealed, program, prices, uninspected });
  }
}

/** Who asked for what, where lines of others may refer to one that says it. */
function askedFor(intent: Intent): Asked | undefined {
  return named(intent) ? askedBefore(intent) : undefined;
}

/** Whether others may refer to its line: it says nothing of what passed unread, and would have its ids whole if it were trimmed. */
function named({ exchange, request_id, passed }: Intent): boolean {
  return passed === undefined && exchange.length <= trimmed_exchange_max && request_id.length <= trimmed_word_max;
}

function same(whole: Whole, { program, prices, uninspected }: Intent, sealed: Sealed | undefined): boolean {
  return (
    whole.sealed === sealed && whole.program === program && whole.prices === prices && whole.uninspected === uninspected
  );
}
