import type { Lines } from '../../stores/index.ts';
import type { Intent } from '../record.ts';
import { isRecord } from './batch.ts';
import { writeOpenIntent } from './compose.ts';
import type { Sealed } from './line.ts';
import { writeOwn } from './record-json.ts';

/**
 * An intent's line is `{"begin":{..},"as":1,"personal":{..}}`, whole. One that differs from it in nothing but the call itself
 * refers to it: `{"like":1,"exchange":..,"time_ms":..,"held_nusd":..}`, a fifth of it; its `request_id` is left out where it
 * is the exchange's. `as` counts within a segment, and the last line of a number is meant.
 */
const beginning = '{"begin":';
const likeness = '{"like":';

/** Writes a whole line, with a number by which others may refer to it. */
export function writeWholeLine(lines: Lines, intent: Intent, sealed: Sealed | undefined, as?: number): void {
  lines.letters(beginning);
  writeOpenIntent(intent, lines);
  if (as !== undefined) {
    lines.letters(',"as":');
    lines.whole(as);
  }
  if (sealed !== undefined) lines.put(sealed.closing);
  else lines.letters('}\n');
}

/** Writes a line that refers to the whole one of this number. */
export function writeLikeLine(lines: Lines, intent: Intent, as: number): void {
  lines.letters(likeness);
  lines.whole(as);
  writeOwn(lines, intent);
  lines.letters('}\n');
}

/** An exchange that began and has no record yet, as its line tells. */
export interface OpenIntent {
  readonly intent: Intent;
  readonly personalJson: string | undefined;
  /** The line, whole, with its newline. */
  readonly line: string;
}

/** Whether a line of a segment is meant to be an intent's. */
export function isIntent(line: string): boolean {
  return line.startsWith(beginning) || line.startsWith(likeness);
}

/** The spelling of both kinds of line, whatever is missing in it. */
interface Said {
  readonly begin?: Intent;
  readonly as?: number;
  readonly personal?: unknown;
  readonly like?: number;
  readonly exchange?: string;
  readonly request_id?: string;
  readonly time_ms?: number;
  readonly held_nusd?: number;
}

/** Reads the intents of one segment, from its beginning. */
export class IntentReader {
  readonly #whole = new Map<number, OpenIntent>();

  /** What a line tells; undefined where it tells of no intent, or refers to a line that is not there. */
  read(line: string): OpenIntent | undefined {
    let said: Said;
    try {
      said = JSON.parse(line) as Said;
    } catch {
      return undefined;
    }
    if (said.like !== undefined) return this.#like(said);
    if (typeof said.begin?.exchange !== 'string') return undefined;
    const open = openIntent(said.begin, said.personal === undefined ? undefined : JSON.stringify(said.personal));
    if (said.as !== undefined) this.#whole.set(said.as, open);
    return open;
  }

  /** A line that does not hold: where it was a whole one, what later ones say they are like may be that one. */
  passBy(line: string): void {
    if (!isRecord(line) && !line.startsWith(likeness)) this.#whole.clear();
  }

  #like({ like = 0, exchange, request_id = exchange, time_ms, held_nusd }: Said): OpenIntent | undefined {
    const whole = this.#whole.get(like);
    if (whole === undefined || typeof exchange !== 'string' || typeof request_id !== 'string') return undefined;
    if (typeof time_ms !== 'number' || typeof held_nusd !== 'number') return undefined;
    return openIntent({ ...whole.intent, exchange, request_id, time_ms, held_nusd }, whole.personalJson);
  }
}

/** Both were read by `JSON.parse` from what `JSON.stringify` would write, so this spells them as they were. */
function openIntent(intent: Intent, personalJson: string | undefined): OpenIntent {
  const personal = personalJson === undefined ? '' : `,"personal":${personalJson}`;
  return { intent, personalJson, line: `${beginning}${JSON.stringify(intent)}${personal}}\n` };
}
