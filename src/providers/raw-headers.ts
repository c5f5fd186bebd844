import { HeaderList } from './header-list.ts';
import { replyHeaderList, replyName } from './headers.ts';

/** Name, value, name, value ... of a provider's reply, in the bytes they came in. */
export type RawHeaders = readonly Buffer[];

/** What is known of a name by its bytes. */
interface KnownName {
  /** As it was written. */
  readonly written: string;
  /** In lower case. */
  readonly name: string;
  /** On our reply; '' where it is dropped. */
  readonly ours: string;
}

/**
 * Names met before, by a few of their bytes: providers send the same ones with each reply, and to make text of each name
 * again cost more than all else that is done with it. Bounded, since names come from outside: what does not fit is judged
 * again.
 */
const met: readonly KnownName[][] = Array.from({ length: 256 }, () => []);
const likeMax = 8;
const metLengthMax = 64;
/** Names and values of a reply that is not out of the ordinary. */
const usualMax = 256;
const noBytes = Buffer.alloc(0);

function known(bytes: Buffer): KnownName {
  const { length } = bytes;
  const mark = length * 29 + (bytes[0] ?? 0) * 7 + (bytes[length - 1] ?? 0) * 3 + (bytes[length >> 1] ?? 0);
  const like = met[mark & 255] ?? [];
  for (let index = 0; index < like.length; index += 1) {
    const one = like[index];
    if (one !== undefined && isWritten(bytes, one.written)) return one;
  }
  const written = bytes.toString('latin1');
  const name = written.toLowerCase();
  const one = { written, name, ours: replyName(name) };
  if (like.length < likeMax && length <= metLengthMax) like.push(one);
  return one;
}

function isWritten(bytes: Buffer, text: string): boolean {
  if (bytes.length !== text.length) return false;
  for (let at = 0; at < text.length; at += 1) if (bytes[at] !== text.charCodeAt(at)) return false;
  return true;
}

/** One header, its lines joined with a comma. `name` in lower case. */
export function rawHeader(raw: RawHeaders, name: string): string | undefined {
  let value: string | undefined;
  for (let at = 1; at < raw.length; at += 2) {
    if (raw[at - 1]?.length !== name.length || known(raw[at - 1] ?? noBytes).name !== name) continue;
    const line = raw[at]?.toString('latin1') ?? '';
    value = value === undefined ? line : `${value}, ${line}`;
  }
  return value;
}

/**
 * All of them by name, in lower case: repeated ones joined with a comma, of `set-cookie` the last. Without a prototype:
 * a name like `__proto__` is one like any other.
 */
export function rawRecord(raw: RawHeaders): Readonly<Record<string, string>> {
  const record: Record<string, string> = Object.create(null);
  for (let at = 1; at < raw.length; at += 2) {
    const { name } = known(raw[at - 1] ?? noBytes);
    const before = name === 'set-cookie' ? undefined : record[name];
    const line = raw[at]?.toString('latin1') ?? '';
    record[name] = before === undefined ? line : `${before}, ${line}`;
  }
  return record;
}

/** As they go to a client: what `replyHeaderList` makes of the record, nearly always without making one. */
export function rawReplyHeaders(raw: RawHeaders): HeaderList {
  // Each is looked for among those before it: of very many that would take long.
  if (raw.length > usualMax) return replyHeaderList(rawRecord(raw));
  const headers = new HeaderList();
  for (let at = 1; at < raw.length; at += 2) {
    const { name, ours } = known(raw[at - 1] ?? noBytes);
    if (ours === '' && name !== 'connection') continue;
    const line = raw[at]?.toString('latin1') ?? '';
    if (ours === '') {
      // It names others that must not pass.
      if (line !== 'keep-alive' && line !== 'close') return replyHeaderList(rawRecord(raw));
      // A second line of one, or another that is called the same on our reply.
    } else if (headers.get(ours) !== undefined) return replyHeaderList(rawRecord(raw));
    else headers.add(ours, line);
  }
  return headers;
}
