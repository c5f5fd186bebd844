/** From here on a text is copied by the runtime rather than letter by letter. */
const loop_max = 48;
/** From here on a text is looked at as a whole before it is copied. */
const look_max = 192;
/** UTF-8 of a UTF-16 unit at the most. */
const unit_bytes_max = 3;
const integer_digits_max = 16;
const block_bytes_max = 1 << 20;

/** Spelled in JSON as they are. */
const plain = /^[\x20\x21\x23-\x5b\x5d-\x7e]*$/;

const quote = 0x22;
const backslash = 0x5c;
const zero = 0x30;

/** Writes JSON as UTF-8 into memory outside the heap that is used again: a line leaves nothing for a collector. */
export class Pen {
  #block: Buffer;
  #end = 0;

  constructor(bytes = 16_384) {
    this.#block = Buffer.allocUnsafeSlow(bytes);
  }

  /** What is written lies here, from 0 to `end`, until more is. */
  get block(): Buffer {
    return this.#block;
  }

  get end(): number {
    return this.#end;
  }

  /** Back to where it was, or to the beginning. */
  rewind(end = 0): void {
    this.#end = end;
    if (end === 0 && this.#block.length > block_bytes_max) this.#block = Buffer.allocUnsafeSlow(block_bytes_max);
  }

  #room(bytes: number): void {
    if (this.#block.length - this.#end >= bytes) return;
    const larger = Buffer.allocUnsafeSlow((this.#end + bytes) * 2);
    this.#block.copy(larger, 0, 0, this.#end);
    this.#block = larger;
  }

  byte(code: number): void {
    this.#room(1);
    this.#block[this.#end] = code;
    this.#end += 1;
  }

  /** What is at this place becomes that. */
  replace(at: number, code: number): void {
    this.#block[at] = code;
  }

  bytes(bytes: Uint8Array): void {
    this.#room(bytes.length);
    this.#block.set(bytes, this.#end);
    this.#end += bytes.length;
  }

  /** A text of ASCII alone, as it is. */
  ascii(text: string): void {
    const { length } = text;
    this.#room(length);
    if (length > loop_max) {
      this.#end += this.#block.write(text, this.#end, 'latin1');
      return;
    }
    const block = this.#block;
    const start = this.#end;
    for (let index = 0; index < length; index += 1) block[start + index] = text.charCodeAt(index);
    this.#end = start + length;
  }

  /** Any text, as it is. */
  utf8(text: string): void {
    const room = text.length * unit_bytes_max;
    this.#room(room);
    this.#end += this.#block.write(text, this.#end, 'utf8');
  }

  /** A text as a JSON string. */
  text(value: string): void {
    if (value.length > look_max ? !plain.test(value) : !this.#short(value)) {
      this.utf8(JSON.stringify(value));
    } else if (value.length > look_max) {
      this.byte(quote);
      this.ascii(value);
      this.byte(quote);
    }
  }

  /** Writes a short text where nothing in it is to be escaped; whether it did. */
  #short(value: string): boolean {
    const { length } = value;
    this.#room(length + 2);
    const block = this.#block;
    let at = this.#end;
    block[at] = quote;
    at += 1;
    for (let index = 0; index < length; index += 1) {
      const code = value.charCodeAt(index);
      if (code < 0x20 || code > 0x7e || code === quote || code === backslash) return false;
      block[at] = code;
      at += 1;
    }
    block[at] = quote;
    this.#end = at + 1;
    return true;
  }

  flag(value: boolean): void {
    this.ascii(value ? 'true' : 'false');
  }

  number(value: number): void {
    if (Number.isSafeInteger(value) && value >= 0) this.#integer(value);
    else this.ascii(Number.isFinite(value) ? String(value) : 'null');
  }

  #integer(value: number): void {
    this.#room(integer_digits_max);
    let digits = 1;
    for (let bound = 10; value >= bound; bound *= 10) digits += 1;
    let rest = value;
    for (let at = this.#end + digits - 1; at >= this.#end; at -= 1) {
      const tens = Math.floor(rest / 10);
      this.#block[at] = zero + (rest - tens * 10);
      rest = tens;
    }
    this.#end += digits;
  }

  /** Milliseconds, to the microsecond: a duration's further digits tell nothing and are dear to spell. */
  duration(value: number): void {
    if (!(value >= 0 && value < 1e9)) {
      this.number(value);
      return;
    }
    const us = Math.round(value * 1000);
    const rest = us % 1000;
    this.#integer((us - rest) / 1000);
    if (rest === 0) return;
    // A point in place of the leading one.
    const point = this.#end;
    this.#integer(1000 + rest);
    this.#block[point] = 0x2e;
  }

  /** What `JSON.stringify` says. */
  json(value: unknown): void {
    this.utf8(JSON.stringify(value) ?? 'null');
  }
}
