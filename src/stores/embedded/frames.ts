import { crc32 } from 'node:zlib';

/** `#` length ` ` checksum newline, both eight hexadecimal digits. */
export const header_bytes = 19;

/** A frame up to here is written and summed byte by byte: calling out for it would cost more than that. */
const short_bytes = 256;
const digits = Uint8Array.from('0123456789abcdef', (digit) => digit.charCodeAt(0));
/** CRC-32 by half bytes: all of the table is one line of the processor's memory. */
const halves = Int32Array.from({ length: 16 }, (_, half) => {
  let sum = half;
  for (let bit = 0; bit < 4; bit += 1) sum = (sum & 1) === 0 ? sum >>> 1 : (sum >>> 1) ^ 0xedb88320;
  return sum;
});

/** Room for one frame after the other: what was written in one step, and is either whole or was never promised. */
export class Frame {
  bytes = Buffer.alloc(65_536);
  size = 0;

  /** Becomes the frame of these lines, of characters of one byte each. */
  of(text: string): void {
    const { length } = text;
    this.size = header_bytes + length;
    if (this.bytes.length < this.size) this.bytes = Buffer.alloc(this.size * 2);
    const { bytes } = this;
    const sum = length <= short_bytes ? put(bytes, text) : putLong(bytes, text);
    bytes[0] = 0x23;
    putHex(bytes, 1, length);
    bytes[9] = 0x20;
    putHex(bytes, 10, sum);
    bytes[18] = 0x0a;
  }
}

const shared = new Frame();

/** One frame. The buffer is reused. */
export function frame(text: string): Buffer {
  shared.of(text);
  return shared.bytes.subarray(0, shared.size);
}

/** Writes a text behind the header, and answers its checksum. */
function put(bytes: Buffer, text: string): number {
  let sum = -1;
  for (let at = 0; at < text.length; at += 1) {
    const byte = text.charCodeAt(at) & 0xff;
    bytes[header_bytes + at] = byte;
    sum ^= byte;
    sum = (halves[sum & 15] ?? 0) ^ (sum >>> 4);
    sum = (halves[sum & 15] ?? 0) ^ (sum >>> 4);
  }
  return ~sum;
}

function putLong(bytes: Buffer, text: string): number {
  bytes.write(text, header_bytes, 'latin1');
  return crc32(bytes.subarray(header_bytes, header_bytes + text.length));
}

function putHex(bytes: Buffer, start: number, value: number): void {
  let rest = value;
  for (let at = start + 7; at >= start; at -= 1) {
    bytes[at] = digits[rest & 15] ?? 0;
    rest >>>= 4;
  }
}

function hex(value: number): string {
  return value.toString(16).padStart(8, '0');
}

/** The frame at `at`, or undefined where there is no whole one. */
export function frameAt(bytes: Buffer, at: number): { readonly text: string; readonly end: number } | undefined {
  const match = /^#([0-9a-f]{8}) ([0-9a-f]{8})\n$/.exec(bytes.toString('latin1', at, at + header_bytes));
  if (match === null) return undefined;
  const start = at + header_bytes;
  const end = start + Number.parseInt(match[1] ?? '', 16);
  if (end > bytes.length) return undefined;
  const body = bytes.subarray(start, end);
  return hex(crc32(body)) === match[2] ? { text: body.toString('latin1'), end } : undefined;
}

/** Whether any whole frame starts after `at`: then what is broken there is in the middle, not a torn end. */
export function frameAfter(bytes: Buffer, at: number): boolean {
  for (let next = bytes.indexOf('#', at + 1, 'latin1'); next >= 0; next = bytes.indexOf('#', next + 1, 'latin1')) {
    if (frameAt(bytes, next) !== undefined) return true;
  }
  return false;
}
