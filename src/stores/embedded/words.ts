import type { Lines } from '../lines.ts';

const [space, comma, dash] = [0x20, 0x2c, 0x2d];

/** A word of a line, and the space behind it. */
export function putWord(line: Lines, word: string): void {
  line.letters(word);
  line.byte(space);
}

export function putNumber(line: Lines, number: number): void {
  line.number(number);
  line.byte(space);
}

/** The numbers of what was named before, with commas between; `-` for none. */
export function putMarks(line: Lines, named: readonly { readonly mark: number }[]): void {
  let between = false;
  for (const { mark } of named) {
    if (between) line.byte(comma);
    line.number(mark);
    between = true;
  }
  if (!between) line.byte(dash);
  line.byte(space);
}
