/** So many units of text are kept for checks; a longer match is taken unchecked: redact, never release. */
export const keptMask = 2047;
/** Of a sliding run, so many characters before its end count (RFC 5321: a local part has at most 64). */
export const slideMax = 64;

/** What a lane remembers of its text while it is read. */
export interface LaneMemory {
  /** The units of the lane so far, the last `keptMask + 1` of them. */
  readonly kept: Uint16Array;
  /** Places of the last `slideMax` characters. */
  readonly slide: Int32Array;
  /** Where live threads began, and room to reckon it anew; a lane with more of them makes its own. */
  readonly starts: Int32Array;
  readonly spare: Int32Array;
}

/** Few lanes have more threads alive at once. */
const startsKept = 8;

/** Memory of lanes that are over: to make it for each text costs as much as to read a short one, and V8 counts it as heap. */
const spare: LaneMemory[] = [];
const spareMax = 256;

/** Memory for one lane, all zero. */
export function takeMemory(): LaneMemory {
  return spare.pop() ?? made();
}

function made(): LaneMemory {
  return {
    kept: new Uint16Array(keptMask + 1),
    slide: new Int32Array(slideMax),
    starts: new Int32Array(startsKept),
    spare: new Int32Array(startsKept),
  };
}

/** Gives it to the next lane, without what this one read. Whoever gives it back must not look at it again. */
export function giveBack(memory: LaneMemory): void {
  if (spare.length >= spareMax) return;
  memory.kept.fill(0);
  memory.slide.fill(0);
  memory.starts.fill(0);
  memory.spare.fill(0);
  spare.push(memory);
}
