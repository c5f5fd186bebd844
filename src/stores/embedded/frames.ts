import { crc32 } from 'node:zlib';
import { Lines } from '../lines.ts';

/** `#` length ` ` checksum newline, both eight hexadecimal digits. */
export const header_bytes = 19;

/** Lines up to here are summed byte by byte: calling out for it would cost more than that. */
const short_bytes = 256;
const digits = Uint8Array.from('0123456789abcdef', (digit) => digit.charCodeAt(0));
/** CRC-32 by half bytes: all of the table is one line of the processor's memory. */
const halves = Int32Array.from({ length: 16 }, (_, half) => {
  let sum = half;
  for (let bit = 0; bit < 4; bit += 1) sum = (sum & 1) === 0 ? sum >>> 1 : (sum >>> 1) ^ 0xedb88320;
  return sum;
});

/** Lines that are written in one step, and are either whole or were never promised. Room for one frame after the other. */
export class Frame extends Lines {
  constructor() {
    super();
    this.size = header_bytes;
  }

  override clear(): void {
    super.clear();
    this.size = header_bytes;
  }

  get empty(): boolean {
    return this.size === header_bytes;
  }

  /** Says at its head how long its lines are and what they sum up to. */
  seal(): void {
    const { bytes, size } = this;
    const length = size - header_bytes;
    const sum = length <= short_bytes ? sumOf(bytes, size) : crc32(bytes.subarray(header_bytes, size));
    bytes[0] = 0x23;
    putHex(bytes, 1, length);
    bytes[9] = 0x20;
    putHex(bytes, 10, sum);
    bytes[18] = 0x0a;
  }
}

function sumOf(bytes: Buffer, end: number): number {
  let sum = -1;
  for (let at = header_bytes; at < end; at += 1) {
    sum ^= bytes[at] ?? 0;
    sum = (halves[sum & 15] ?? 0) ^ (sum >>> 4);
    sum = (halves[sum & 15] ?? 0) ^ (sum >>> 4);
  }
  return ~sum;
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

/** Whole frames that start after `at`, where there is none: what is broken there is in the middle, not a torn end. */
export function* framesAfter(bytes: Buffer, at: number): Generator<string> {
  for (let next = bytes.indexOf('#', at + 1, 'latin1'); next >= 0; ) {
    const frame = frameAt(bytes, next);
    if (frame !== undefined) yield frame.text;
    next = bytes.indexOf('#', frame?.end ?? next + 1, 'latin1');
  }
}
