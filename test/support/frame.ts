import { Frame } from '../../src/stores/embedded/frames.ts';

/** One frame of a journal, of these lines. */
export function frame(text: string): Buffer {
  const one = new Frame();
  one.letters(text);
  one.seal();
  return one.bytes.subarray(0, one.size);
}
