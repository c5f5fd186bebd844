import { brotliCompressSync, deflateRawSync, deflateSync, gzipSync } from 'node:zlib';
import type { FakeReply } from './fake-provider.ts';
import type { FakeFormat } from './fake-provider-strict.ts';
import { errorFrame, type FakeAsked, streamFrames } from './fake-provider-wire.ts';

/** The frames of a stream, with what the script does to them. */
export function framesOf(format: FakeFormat, reply: FakeReply, asked: FakeAsked): string[] {
  const frames = streamFrames(format, reply, asked);
  if (reply.firstFrameError !== undefined) {
    return [errorFrame(format, reply.firstFrameError.message, reply.firstFrameError.type)];
  }
  const half = frames.length >> 1;
  if (reply.middleError !== undefined) {
    return [...frames.slice(0, half), errorFrame(format, reply.middleError.message, reply.middleError.type)];
  }
  return reply.unfinished === true ? frames.slice(0, half) : frames;
}

/** The same bytes in pieces of one size, or as they are. */
export function cut(frames: readonly (string | Buffer)[], bytes: number | undefined): (string | Buffer)[] {
  if (bytes === undefined) return [...frames];
  const whole = Buffer.concat(frames.map((frame) => Buffer.from(frame)));
  const parts: Buffer[] = [];
  for (let at = 0; at < whole.length; at += bytes) parts.push(whole.subarray(at, at + bytes));
  return parts;
}

/** The same bytes in an encoding nobody asked for, in three pieces. */
export function encode(encoding: FakeReply['encoding'], frames: readonly (string | Buffer)[]) {
  const whole = Buffer.concat(frames.map((frame) => Buffer.from(frame)));
  const third = (bytes: Buffer, name: string) => ({ name, bytes: cut([bytes], Math.ceil(bytes.length / 3)) });
  switch (encoding) {
    case undefined:
      return undefined;
    case 'gzip':
      return third(gzipSync(whole), 'gzip');
    case 'deflate':
      return third(deflateSync(whole), 'deflate');
    case 'bare deflate':
      return third(deflateRawSync(whole), 'deflate');
    case 'br':
      return third(brotliCompressSync(whole), 'br');
    case 'unknown':
      return third(whole, 'x-nobody-knows');
  }
}
