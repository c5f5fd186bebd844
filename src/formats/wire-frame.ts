import type { Frame, JsonPath, ReplyEvent } from '../exchange/index.ts';
import { applyPatches, type JsonEdit, patchesFor } from './json/index.ts';
import type { Said } from './said.ts';
import { rawOffset, type Segment, sseData } from './sse.ts';

/** Which values repeat the text at a path and go when it is replaced. */
export type Repeats = (path: JsonPath) => readonly JsonPath[];

interface Body {
  /** Where the JSON document stands in `raw`. */
  readonly data: readonly Segment[];
  readonly repeats: Repeats;
}

const nothing: Pick<Said, 'choices' | 'blockOpened' | 'blockClosed'> = {
  choices: [],
  blockOpened: undefined,
  blockClosed: undefined,
};

/** A frame of a reply in JSON: an SSE message with its data, or a whole plain body. */
export class WireFrame implements Frame {
  readonly raw: Buffer;
  readonly events: readonly ReplyEvent[];
  readonly passes: boolean;
  readonly usageOnly: boolean;
  /** For the format's closer: what this frame opened and closed, beyond what its events tell. */
  readonly marks: typeof nothing;
  readonly #paths: readonly JsonPath[];
  readonly #keys: ReadonlySet<number> | undefined;
  readonly #body: Body | undefined;

  private constructor(raw: Buffer, said: Partial<Said> & Pick<Said, 'events'>, body: Body | undefined) {
    this.raw = raw;
    this.events = said.events;
    this.passes = said.passes ?? false;
    this.usageOnly = said.usageOnly ?? false;
    this.marks = said.choices === undefined ? nothing : (said as Said);
    this.#paths = said.paths ?? [];
    this.#keys = said.keys;
    this.#body = body;
  }

  /** A frame whose JSON document stands in these segments of `raw`. */
  static of(raw: Buffer, said: Said, data: readonly Segment[], repeats: Repeats): WireFrame {
    return new WireFrame(raw, said, { data, repeats });
  }

  /** A frame without texts. */
  static bare(raw: Buffer, events: readonly ReplyEvent[], passes = false): WireFrame {
    return new WireFrame(raw, { events: [...events], passes }, undefined);
  }

  rewrite(texts: readonly (string | undefined)[]): Buffer {
    if (this.#body === undefined) return this.raw;
    const { data, repeats } = this.#body;
    const edits: JsonEdit[] = [];
    let index = 0;
    for (const event of this.events) {
      if (event.type !== 'text') continue;
      const text = texts[index];
      const path = this.#paths[index];
      const isKey = this.#keys?.has(index) === true;
      index += 1;
      if (text === undefined || path === undefined || text === event.text) continue;
      edits.push(isKey ? { op: 'rename', path, key: text } : { op: 'text', path, text });
      for (const repeated of repeats(path)) edits.push({ op: 'replace', path: repeated, json: 'null' });
    }
    if (edits.length === 0) return this.raw;
    const patches = patchesFor(sseData({ raw: this.raw, data }), edits).map(({ start, end, text }) => ({
      start: rawOffset({ data }, start),
      end: rawOffset({ data }, end),
      text,
    }));
    return applyPatches(this.raw, patches);
  }
}
