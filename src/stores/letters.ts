/**
 * Writes a text letter by letter, a byte each: of the few letters an id has, a call out of the engine costs more. Answers the
 * bits of all of them: above 0xff (or 0x7f, where the bytes are to be UTF-8) they were not the text.
 */
export function putLetters(text: string, bytes: Buffer, start: number): number {
  let letters = 0;
  for (let at = 0; at < text.length; at += 1) {
    const letter = text.charCodeAt(at);
    letters |= letter;
    bytes[start + at] = letter;
  }
  return letters;
}
