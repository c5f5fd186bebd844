import type { Transform } from 'node:stream';
import { createBrotliDecompress, createGunzip, createInflate, createInflateRaw } from 'node:zlib';

/**
 * A stream that undoes a `content-encoding` (we ask for identity, some providers encode all the same). `identity` where
 * there is nothing to undo, `unknown` where we cannot: then nothing of the body may be judged, so nothing passes.
 */
export function decoderFor(encoding: string | undefined): (() => Transform) | 'identity' | 'unknown' {
  switch (encoding?.trim().toLowerCase()) {
    case undefined:
    case '':
    case 'identity':
      return 'identity';
    case 'gzip':
    case 'x-gzip':
      return createGunzip;
    case 'br':
      return createBrotliDecompress;
    case 'deflate':
      return createInflate;
    default:
      return 'unknown';
  }
}

/**
 * `deflate` means zlib's wrapping (RFC 9110, section 8.4.1.2), and some servers send the bare stream: the first byte
 * tells them apart, since a zlib header names method 8.
 */
export function isBareDeflate(firstByte: number): boolean {
  return (firstByte & 0x0f) !== 8;
}

export const bareInflate = createInflateRaw;
