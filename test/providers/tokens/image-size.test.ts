import { expect, test } from 'vitest';
import { imageSize } from '../../../src/providers/tokens/image-size.ts';

const size = (bytes: Buffer) => imageSize(bytes.toString('base64'));
const padded = (head: Buffer) => Buffer.concat([head, Buffer.alloc(40)]);
const jpeg = (...segments: [marker: number, body: Buffer][]) =>
  Buffer.concat([
    Buffer.from([0xff, 0xd8]),
    ...segments.flatMap(([marker, body]) => {
      const head = Buffer.from([0xff, marker, 0, 0]);
      head.writeUInt16BE(body.length + 2, 2);
      return [head, body];
    }),
    Buffer.alloc(20),
  ]);
const frame = Buffer.from([8, 0x02, 0x58, 0x03, 0x20, 3]);
const riff = (kind: string, ...rest: number[]) =>
  padded(Buffer.concat([Buffer.from(`RIFF\0\0\0\0WEBP${kind}\0\0\0\0`, 'latin1'), Buffer.from(rest)]));

test.each([
  ['a PNG', padded(Buffer.from('89504e470d0a1a0a0000000d494844520000032000000258', 'hex'))],
  ['a GIF', padded(Buffer.from('4749463839612003580200', 'hex'))],
  [
    'a JPEG behind its profiles',
    jpeg([0xe0, Buffer.alloc(14)], [0xe1, Buffer.alloc(3000)], [0xc4, Buffer.alloc(30)], [0xc2, frame]),
  ],
  ['a WebP', riff('VP8 ', 0, 0, 0, 0x9d, 0x01, 0x2a, 0x20, 0x03, 0x58, 0x02)],
  ['a WebP without loss', riff('VP8L', 0x2f, 0x1f, 0xc3, 0x95, 0)],
  ['an extended WebP', riff('VP8X', 0, 0, 0, 0, 0x1f, 0x03, 0, 0x57, 0x02, 0)],
])('the size of %s is read from its head', (_kind, bytes) => {
  expect(size(bytes)).toEqual({ width: 800, height: 600 });
});

test.each([
  ['nothing', Buffer.alloc(0)],
  ['a text', Buffer.from('no image at all, but long enough for one to begin here')],
  ['half a head', Buffer.from('89504e470d0a1a0a0000000d4948445200', 'hex')],
  ['a size of zero', padded(Buffer.from('89504e470d0a1a0a0000000d494844520000000000000258', 'hex'))],
  ['a JPEG whose segments never end', jpeg([0xe1, Buffer.alloc(65_000)], [0xe1, Buffer.alloc(65_000)], [0xc0, frame])],
  ['a JPEG that points nowhere', Buffer.from([0xff, 0xd8, 0xff, 0xe0, 0, 0, 0, 0, 0, 0, 0, 0, 0])],
])('of %s no size is read', (_what, bytes) => {
  expect(size(bytes)).toBeUndefined();
});
