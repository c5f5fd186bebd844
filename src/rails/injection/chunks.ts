/** Characters read at a time: one piece takes well under a millisecond, so a loop may breathe between two. */
export const chunk_units = 16_384;
/** Characters two pieces share, more than any pattern spans. */
export const overlap_units = 1_024;
/** Groups of base64, base32, hex and ascii85 all end here. */
const group = 120;

export interface Chunk {
  readonly from: number;
  readonly to: number;
}

/**
 * Cuts a long text into overlapping pieces. A piece begins after white space, or, inside a run without any (a long
 * base64 block), at a whole number of code groups from the run's beginning. Linear: each piece looks back at most over
 * the overlap.
 */
export function* chunksOf(text: string): Generator<Chunk> {
  if (text.length <= chunk_units) {
    yield { from: 0, to: text.length };
    return;
  }
  let from = 0;
  let runFrom = 0;
  for (;;) {
    const to = Math.min(text.length, from + chunk_units);
    yield { from, to };
    if (to === text.length) return;
    const wanted = to - overlap_units;
    // Beginning of the run without white space that covers the wanted start; it may lie before this piece.
    let at = wanted;
    while (at > from && text.charCodeAt(at - 1) > 0x20) at--;
    if (at > from || from === 0) runFrom = at;
    if (wanted - runFrom <= overlap_units) from = Math.max(runFrom, from + 1);
    else from = wanted - ((wanted - runFrom) % group);
  }
}
