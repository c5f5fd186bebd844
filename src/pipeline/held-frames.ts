import type { Frame } from '../exchange/index.ts';
import type { Piece } from './followed-text.ts';

/** A frame on its way out; `texts` are its new texts, one for each text event, where any changed. */
export interface Released {
  readonly frame: Frame;
  readonly texts: readonly (string | undefined)[] | undefined;
}

interface Held {
  readonly frame: Frame;
  readonly pieces: readonly Piece[];
}

const nothing: readonly Piece[] = [];

/** Frames in line: they leave whole and in order, each when its texts are decided. */
export class HeldFrames {
  #line: Held[] = [];
  /** Of the frames that wait. */
  bytes = 0;

  /** A frame with its texts, and into `out` what may leave now. */
  push(frame: Frame, pieces: readonly Piece[] = nothing, out: Released[]): void {
    // A frame that nothing waits before and that waits for nothing is not put in line.
    if (this.#line.length === 0 && pieces.every(isDecided)) {
      out.push({ frame, texts: editedTexts(pieces) });
      return;
    }
    this.#line.push({ frame, pieces });
    this.bytes += frame.raw.length;
    this.drain(out);
  }

  drain(out: Released[]): void {
    if (this.#line.length === 0) return;
    let done = 0;
    for (const { frame, pieces } of this.#line) {
      if (!pieces.every(isDecided)) break;
      out.push({ frame, texts: editedTexts(pieces) });
      this.bytes -= frame.raw.length;
      done += 1;
    }
    if (done === this.#line.length) this.#line.length = 0;
    else if (done > 0) this.#line.splice(0, done);
  }
}

function isDecided(piece: Piece): boolean {
  return piece.decided;
}

function editedTexts(pieces: readonly Piece[]): (string | undefined)[] | undefined {
  let texts: (string | undefined)[] | undefined;
  for (let index = 0; index < pieces.length; index += 1) {
    const text = pieces[index]?.edited();
    if (text === undefined) continue;
    texts ??= new Array(pieces.length).fill(undefined);
    texts[index] = text;
  }
  return texts;
}
