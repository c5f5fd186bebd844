import { type ChatPart, Failure, type JsonPath } from '../exchange/index.ts';
import { type JsonObject, pathText } from './json/index.ts';

/** A content part that one of the two sides has no words for. Leaving it out would change what is asked: it is refused. */
export function inexpressible(path: JsonPath, what: string): never {
  const param = pathText(path);
  throw new Failure('not_supported', `\`${param}\`: ${what} cannot be sent to the provider of this model.`, {
    status: 400,
    param,
  });
}

/** Notes every member of a part or message that is not in `known` and says something. */
export function noteUnknown(value: JsonObject, known: ReadonlySet<string>, path: JsonPath, unknown: JsonPath[]): void {
  for (const key in value) if (!known.has(key) && value[key] !== null) unknown.push([...path, key]);
}

/** A `data:` URL in base64, taken apart. */
export function fromDataUrl(url: string): { readonly mediaType: string; readonly base64: string } | undefined {
  const match = /^data:([^;,]*)(?:;[^;,]*)*;base64,/i.exec(url);
  if (match === null) return undefined;
  return { mediaType: match[1] || 'application/octet-stream', base64: url.slice(match[0].length) };
}

export function toDataUrl(mediaType: string, base64: string): string {
  return `data:${mediaType};base64,${base64}`;
}

/** All text of these parts, put together. */
export function textOf(parts: readonly ChatPart[]): string {
  return parts.map((part) => (part.type === 'text' ? part.text : '')).join('');
}
