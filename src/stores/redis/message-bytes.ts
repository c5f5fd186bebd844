import { putLetters } from '../letters.ts';
import type { Message } from './outbox.ts';

const [is_settle, is_estimated, has_input, has_labels] = [1, 2, 4, 8];
/** What it is, and its numbers: nusd, tokens, input, at_ms. */
const numbers_bytes = 1 + 4 * 8;
const length_bytes = 4;

/** How many bytes a message needs at most. */
export function bytesOf(message: Message): number {
  const last = message.op === 'settle' ? (message.labels ?? '') : message.nonce;
  // No character needs more than three bytes, and a pair that needs four is two characters.
  return numbers_bytes + 3 * (length_bytes + message.id.length + message.organization.length + last.length);
}

/** Writes all of a message but its line's number; answers where it ends. */
export function write(bytes: Buffer, start: number, message: Message): number {
  let at = start;
  if (message.op === 'settle') {
    const { estimated, input, labels } = message;
    const what =
      is_settle |
      (estimated ? is_estimated : 0) |
      (input === undefined ? 0 : has_input) |
      (labels === undefined ? 0 : has_labels);
    at = bytes.writeUInt8(what, at);
    at = bytes.writeDoubleLE(message.nusd, at);
    at = bytes.writeDoubleLE(message.tokens, at);
    at = bytes.writeDoubleLE(input ?? 0, at);
    at = bytes.writeDoubleLE(message.at_ms, at);
    at = writeText(bytes, at, labels ?? '');
  } else {
    at = bytes.writeUInt8(0, at);
    at = writeText(bytes, at, message.nonce);
  }
  return writeText(bytes, writeText(bytes, at, message.id), message.organization);
}

/** The message that was written there. */
export function messageAt(bytes: Buffer, start: number): Message {
  const what = bytes.readUInt8(start);
  const texts_at = what === 0 ? start + 1 : start + numbers_bytes;
  const id_at = endOf(bytes, texts_at);
  const [last, id] = [textAt(bytes, texts_at), textAt(bytes, id_at)];
  const organization = textAt(bytes, endOf(bytes, id_at));
  if (what === 0) return { op: 'release', id, organization, nonce: last };
  const [nusd, tokens] = [bytes.readDoubleLE(start + 1), bytes.readDoubleLE(start + 9)];
  return {
    op: 'settle',
    id,
    organization,
    nusd,
    tokens,
    estimated: (what & is_estimated) !== 0,
    at_ms: bytes.readDoubleLE(start + 25),
    ...((what & has_input) === 0 ? {} : { input: bytes.readDoubleLE(start + 17) }),
    ...((what & has_labels) === 0 ? {} : { labels: last }),
  };
}

function writeText(bytes: Buffer, at: number, text: string): number {
  const start = at + length_bytes;
  const length = putLetters(text, bytes, start) < 0x80 ? text.length : bytes.write(text, start);
  bytes.writeUInt32LE(length, at);
  return start + length;
}

function endOf(bytes: Buffer, at: number): number {
  return at + length_bytes + bytes.readUInt32LE(at);
}

function textAt(bytes: Buffer, at: number): string {
  return bytes.toString('utf8', at + length_bytes, endOf(bytes, at));
}
