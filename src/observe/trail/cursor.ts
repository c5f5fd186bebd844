import { existsSync, readFileSync } from 'node:fs';
import type { Place } from './batch.ts';
import { headText, parseHead, type SignedHead, writeSigned } from './head.ts';
import { segmentFile } from './segment.ts';
import type { Spool } from './spool.ts';

/** How far a sink has come in a spool: a signed position, and where in which segment what follows begins. */
export interface Cursor {
  readonly head: SignedHead;
  readonly segment: number;
  readonly offset: number;
}

/** The cursor in a file; undefined where there is none, or it is of another spool or another place. */
export function readCursor(file: string, spool: string, place: string): Cursor | undefined {
  try {
    const text = readFileSync(file, 'utf8');
    const head = parseHead(text);
    const { segment = 0, offset = 0 } = JSON.parse(text) as { segment?: number; offset?: number };
    // Another place is another sink: it gets everything that is still here.
    return head?.spool === spool && head.place === place ? { head, segment, offset } : undefined;
  } catch {
    return undefined;
  }
}

/**
 * Where to read on in a spool: from its beginning where the place is past its end (a power cut took what the sink has
 * already), or its segment went (with what every sink had, before the cursor was written). Reading again is harmless.
 */
export function readOn({ segment, offset }: Cursor, { dir, current }: Spool): Place {
  const past = segment > current.number || (segment === current.number && offset > current.size);
  return past || !existsSync(segmentFile(dir, segment)) ? { segment: 0, offset: 0 } : { segment, offset };
}

/** Throws where the disk does not take it. */
export function writeCursor(file: string, { head, segment, offset }: Cursor): void {
  const text = `${headText(head).slice(0, -1)},"segment":${segment},"offset":${offset}}\n`;
  writeSigned(file, text);
}

/** How often it is written down at the most; after a restart a sink leaves out what it has already. */
const cursor_ms = 1000;

/** Writes a sink's cursor down while records are delivered: now and then, and where nothing is left to do. */
export class CursorFile {
  readonly #file: string;
  #writtenAt = Number.NEGATIVE_INFINITY;
  #behind = false;

  constructor(file: string) {
    this.#file = file;
  }

  /** The cursor moved. Whether it is to be written now. */
  moved(): boolean {
    this.#behind = true;
    return performance.now() - this.#writtenAt >= cursor_ms;
  }

  /** Where it moved since it was written. Throws where the disk does not take it. */
  write(cursor: () => Cursor): void {
    if (!this.#behind) return;
    this.#writtenAt = performance.now();
    this.#behind = false;
    writeCursor(this.#file, cursor());
  }
}
