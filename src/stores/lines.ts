import { putLetters } from './letters.ts';

/** From here on a text is copied by the runtime rather than letter by letter. */
const loop_max = 48;
/** From here on a text is looked at as a whole before it is copied. */
const look_max = 192;
/** UTF-8 of a UTF-16 unit at the most. */
const unit_bytes_max = 3;
const digits_max = 16;
/** Digits of a whole number that are worked out at once, in 32 bits. */
const digits = 9;
const billion = 1e9;
const zero = 0x30;
const quote = 0x22;
const backslash = 0x5c;
const bytes_min = 4_096;
const bytes_kept_max = 1 << 20;
/** Spelled in JSON as they are. */
const plain = /^[\x20\x21\x23-\x5b\x5d-\x7e]*$/;

/**
 * Lines of a file as bytes, in memory outside the heap that is used again: as texts each would be put together several
 * times over before it is written, and left to the garbage collector.
 */
export class Lines {
  /** What is written lies here, from 0 to `size`, until more is. */
  bytes = Buffer.allocUnsafeSlow(bytes_min);
  size = 0;

  clear(): void {
    this.size = 0;
    if (this.bytes.length > bytes_kept_max) this.bytes = Buffer.allocUnsafeSlow(bytes_kept_max);
  }

  /** Back to where it was. */
  rewind(size: number): void {
    this.size = size;
  }

  #room(more: number): void {
    if (this.bytes.length - this.size >= more) return;
    const larger = Buffer.allocUnsafeSlow((this.size + more) * 2);
    this.bytes.copy(larger, 0, 0, this.size);
    this.bytes = larger;
  }

  byte(byte: number): void {
    this.#room(1);
    this.bytes[this.size] = byte;
    this.size += 1;
  }

  put(bytes: Uint8Array): void {
    this.#room(bytes.length);
    this.bytes.set(bytes, this.size);
    this.size += bytes.length;
  }

  /** A short part of other bytes. */
  part(bytes: Uint8Array, start: number, end: number): void {
    this.#room(end - start);
    const { bytes: own, size } = this;
    for (let at = start; at < end; at += 1) own[size + at - start] = bytes[at] ?? 0;
    this.size = size + end - start;
  }

  /** Other lines, up to a length of theirs. */
  copy({ bytes, size: whole }: Lines, size = whole): void {
    this.#room(size);
    bytes.copy(this.bytes, this.size, 0, size);
    this.size += size;
  }

  /** A text whose letters are a byte each. */
  letters(text: string): void {
    const { length } = text;
    this.#room(length);
    if (length > loop_max) this.bytes.write(text, this.size, 'latin1');
    else putLetters(text, this.bytes, this.size);
    this.size += length;
  }

  /** Any text, as UTF-8. */
  text(text: string): void {
    this.#room(text.length * unit_bytes_max);
    this.size += this.bytes.write(text, this.size);
  }

  /** A text as a JSON string. */
  quoted(text: string): void {
    if (text.length <= look_max) {
      if (!this.#short(text)) this.text(JSON.stringify(text));
    } else if (plain.test(text)) {
      this.byte(quote);
      this.letters(text);
      this.byte(quote);
    } else this.text(JSON.stringify(text));
  }

  /** Writes a short text as a string where nothing in it is to be escaped; whether it did. */
  #short(text: string): boolean {
    const { length } = text;
    this.#room(length + 2);
    const { bytes, size } = this;
    bytes[size] = quote;
    for (let at = 0; at < length; at += 1) {
      const letter = text.charCodeAt(at);
      if (letter < 0x20 || letter > 0x7e || letter === quote || letter === backslash) return false;
      bytes[size + 1 + at] = letter;
    }
    bytes[size + 1 + length] = quote;
    this.size = size + length + 2;
    return true;
  }

  /** Any number, as JavaScript spells it. */
  number(value: number): void {
    if (Number.isSafeInteger(value) && value >= 0) this.whole(value);
    else this.letters(String(value));
  }

  /** A non-negative integer below 2^53. */
  whole(value: number): void {
    this.#room(digits_max);
    let rest = value;
    if (rest >= billion) {
      const above = Math.floor(rest / billion);
      this.whole(above);
      rest -= above * billion;
      this.#digits(rest | 0, digits);
    } else {
      let count = 1;
      for (let bound = 10; count < digits && rest >= bound; bound *= 10) count += 1;
      this.#digits(rest | 0, count);
    }
  }

  #digits(value: number, count: number): void {
    const { bytes, size } = this;
    let rest = value;
    for (let at = size + count - 1; at >= size; at -= 1) {
      const tens = (rest / 10) | 0;
      bytes[at] = zero + (rest - tens * 10);
      rest = tens;
    }
    this.size = size + count;
  }
}
