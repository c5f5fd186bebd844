import type { JsonPath, RawJson } from '../../exchange/index.ts';
import { pathText } from './path.ts';
import { findSpans } from './spans.ts';

class Embedded {
  readonly text: string;
  constructor(text: string) {
    this.text = text;
  }
}

/** Marks JSON text to be embedded as it is spelled; undefined where there is none. */
export function json(raw: RawJson | undefined): unknown {
  return raw === undefined ? undefined : new Embedded(raw.json);
}

/** JSON text of a value in which `json(...)` may stand. Members that are undefined stay away. */
export function writeJson(value: unknown): string {
  if (value instanceof Embedded) return value.text;
  if (Array.isArray(value)) return `[${value.map((item) => writeJson(item ?? null)).join(',')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value ?? null);
  const members = Object.entries(value).filter(([, item]) => item !== undefined);
  return `{${members.map(([key, item]) => `${JSON.stringify(key)}:${writeJson(item)}`).join(',')}}`;
}

/** Values of a document as the client spelled them, found in one pass. */
export class RawValues {
  readonly #found = new Map<string, string>();

  constructor(bytes: Buffer, paths: readonly JsonPath[]) {
    if (paths.length === 0) return;
    for (const [index, span] of findSpans(bytes, paths).entries()) {
      const path = paths[index];
      if (path !== undefined && span !== undefined) {
        this.#found.set(pathText(path), bytes.toString('utf8', span.start, span.end));
      }
    }
  }

  /** The value's text; undefined where it is not there or is null. */
  at(path: JsonPath): RawJson | undefined {
    const text = this.#found.get(pathText(path));
    return text === undefined || text === 'null' ? undefined : { json: text };
  }
}
