import { crc32 } from 'node:zlib';

/** `#` length ` ` checksum newline, both eight hexadecimal digits. */
export const header_bytes = 19;

let scratch = Buffer.alloc(65_536);

/** One frame: what was written in one step, and is either whole or was never promised. The buffer is reused. */
export function frame(text: string): Buffer {
  const size = header_bytes + text.length;
  if (scratch.length < size) scratch = Buffer.alloc(size * 2);
  scratch.write(text, header_bytes, 'latin1');
  const body = scratch.subarray(header_bytes, size);
  scratch.write(`#${hex(body.length)} ${hex(crc32(body))}\n`, 0, 'latin1');
  return scratch.subarray(0, size);
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
