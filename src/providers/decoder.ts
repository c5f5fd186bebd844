import { Transform } from 'node:stream';
import { createBrotliDecompress, createGunzip, createInflate, createInflateRaw } from 'node:zlib';

/**
 * A stream that undoes a `content-encoding` (we ask for identity, some providers encode all the same). `identity` where
 * there is nothing to undo, `unknown` where we cannot: then nothing of the body may be judged, so nothing passes. A
 * refusal is one by its status: of its body nothing is left then.
 */
export function decoderFor(encoding: string | undefined, status: number): (() => Transform) | 'identity' | 'unknown' {
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
      return status < 400 ? 'unknown' : createNothing;
  }
}

function createNothing(): Transform {
  return new Transform({ transform: (_chunk, _encoding, taken) => taken() });
}

/**
 * `deflate` means zlib's wrapping (RFC 9110, section 8.4.1.2), and some servers send the bare stream: the first byte
 * tells them apart, since a zlib header names method 8.
 */
export function isBareDeflate(firstByte: number): boolean {
  return (firstByte & 0x0f) !== 8;
}

export const bareInflate = createInflateRaw;
