import { Failure } from '../exchange/index.ts';

/** Deepest nesting of a body. */
const depth_max = 64;

/**
 * The value of a JSON body that every parser reads alike: valid UTF-8, no key twice in one object, bounded depth and
 * size. Throws `request_too_large` and `invalid_request`. On web APIs alone.
 */
export async function bodyOf(request: Request, bytes_max: number): Promise<unknown> {
  const bytes = await read(request, bytes_max);
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw new Failure('invalid_request', 'The body is not valid UTF-8.');
  }
  const keys = keysIn(text);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new Failure('invalid_request', 'The body is not JSON.');
  }
  // JSON.parse keeps the last of two equal keys: then the text has more keys than the value.
  if (keys !== keysOf(value)) throw new Failure('invalid_request', 'A key appears twice in one object of the body.');
  return value;
}

async function read(request: Request, bytes_max: number): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  let size = 0;
  if (request.body !== null) {
    const reader = request.body.getReader() as ReadableStreamDefaultReader<Uint8Array>;
    for (let part = await reader.read(); !part.done; part = await reader.read()) {
      size += part.value.length;
      if (size > bytes_max) {
        await reader.cancel();
        throw new Failure('request_too_large', `The body has more than ${bytes_max} bytes.`);
      }
      parts.push(part.value);
    }
  }
  const whole = new Uint8Array(size);
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** Colons outside strings: in valid JSON one for each key. Throws where nesting passes the limit. */
function keysIn(text: string): number {
  let keys = 0;
  let depth = 0;
  for (let at = 0; at < text.length; at++) {
    switch (text[at]) {
      case '"':
        for (at++; at < text.length && text[at] !== '"'; at++) if (text[at] === '\\') at++;
        break;
      case ':':
        keys++;
        break;
      case '{':
      case '[':
        if (++depth > depth_max) {
          throw new Failure('invalid_request', `The body is nested deeper than ${depth_max} levels.`);
        }
        break;
      case '}':
      case ']':
        depth--;
        break;
      default:
        break;
    }
  }
  return keys;
}

function keysOf(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 0;
  const members = Object.values(value);
  const below = members.reduce((sum: number, member) => sum + keysOf(member), 0);
  return Array.isArray(value) ? below : below + members.length;
}
