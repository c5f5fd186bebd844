/** Width and height in pixels. */
export interface ImageSize {
  readonly width: number;
  readonly height: number;
}

/** Bytes of an image looked at: a JPEG tells its size behind its thumbnails and profiles. */
const headBytesMax = 65_536;

/** The size a PNG, JPEG, GIF or WebP tells in its head; undefined where it cannot be read there. */
export function imageSize(base64: string): ImageSize | undefined {
  const head = Buffer.from(base64.slice(0, Math.ceil(headBytesMax / 3) * 4), 'base64');
  const size = png(head) ?? gif(head) ?? webp(head) ?? jpeg(head);
  return size === undefined || size.width === 0 || size.height === 0 ? undefined : size;
}

function text(bytes: Buffer, start: number, end: number): string {
  return bytes.toString('latin1', start, end);
}

function png(head: Buffer): ImageSize | undefined {
  if (head.length < 24 || text(head, 1, 4) !== 'PNG' || text(head, 12, 16) !== 'IHDR') return undefined;
  return { width: head.readUInt32BE(16), height: head.readUInt32BE(20) };
}

function gif(head: Buffer): ImageSize | undefined {
  if (head.length < 10 || text(head, 0, 4) !== 'GIF8') return undefined;
  return { width: head.readUInt16LE(6), height: head.readUInt16LE(8) };
}

/** Three kinds, each with its size elsewhere (developers.google.com/speed/webp/docs/riff_container). */
function webp(head: Buffer): ImageSize | undefined {
  if (head.length < 30 || text(head, 0, 4) !== 'RIFF' || text(head, 8, 12) !== 'WEBP') return undefined;
  switch (text(head, 12, 16)) {
    case 'VP8 ':
      return { width: head.readUInt16LE(26) & 0x3fff, height: head.readUInt16LE(28) & 0x3fff };
    case 'VP8L': {
      const bits = head.readUInt32LE(21);
      return { width: (bits & 0x3fff) + 1, height: ((bits >>> 14) & 0x3fff) + 1 };
    }
    case 'VP8X':
      return { width: head.readUIntLE(24, 3) + 1, height: head.readUIntLE(27, 3) + 1 };
    default:
      return undefined;
  }
}

/** Walks the segments up to the frame header, the one that tells the size. */
function jpeg(head: Buffer): ImageSize | undefined {
  if (head.length < 4 || head.readUInt16BE(0) !== 0xffd8) return undefined;
  for (let at = 2; at + 9 <= head.length; ) {
    if (head[at] !== 0xff) return undefined;
    const marker = head[at + 1] ?? 0;
    if (marker === 0xff) {
      at += 1;
      continue;
    }
    const frame = marker >= 0xc0 && marker <= 0xcf && marker !== 0xc4 && marker !== 0xc8 && marker !== 0xcc;
    if (frame) return { width: head.readUInt16BE(at + 7), height: head.readUInt16BE(at + 5) };
    const length = head.readUInt16BE(at + 2);
    if (length < 2) return undefined;
    at += 2 + length;
  }
  return undefined;
}
