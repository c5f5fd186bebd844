import type { JsonPath, Lane, ReplyEvent } from '../exchange/index.ts';
import { findSpans } from './json/index.ts';
import type { Lanes } from './lanes.ts';
import { eachInMember, eachText, type TextKind } from './strings.ts';

/** Stands for a list before its first, and is never pushed into: most hold one, and an empty list would reserve room for seventeen. */
const nothing: never[] = [];

/** What a piece of a reply says, collected while it is read; `paths[i]` is the place of the i-th text. */
export class Said {
  events: ReplyEvent[];
  paths: JsonPath[];
  /** Which of the texts are names of members: the path then leads to the member. */
  keys: Set<number> | undefined;
  /** Choices this piece speaks of, even without a text. */
  choices: number[];
  blockOpened: number | undefined;
  blockClosed: number | undefined;
  usageOnly = false;
  passes = false;
  readonly #data: Buffer;

  /** `data`: the JSON document that is read; what else is known of it already. */
  constructor(data: Buffer, events: ReplyEvent[] = [], paths: JsonPath[] = nothing, choices: number[] = nothing) {
    this.#data = data;
    this.events = events;
    this.paths = paths;
    this.choices = choices;
  }

  /** The provider refused the gateway's own credentials: its words are not for the client. */
  get secret(): boolean {
    const last = this.events.at(-1);
    return last?.type === 'error' && last.failure.code === 'upstream_auth';
  }

  text(lane: Lane, text: unknown, path: JsonPath): void {
    if (typeof text !== 'string' || text === '') return;
    this.events.push({ type: 'text', lane, text });
    if (this.paths.length === 0) this.paths = [path];
    else this.paths.push(path);
  }

  speaksOf(choice: number): void {
    if (this.choices.length === 0) this.choices = [choice];
    else this.choices.push(choice);
  }

  /** A value as JSON text, spelled as the provider did. */
  json(lane: Lane, path: JsonPath): void {
    this.text(lane, this.#spelled(path), path);
  }

  #spelled(path: JsonPath): string | undefined {
    const [span] = findSpans(this.#data, [path]);
    return span === undefined ? undefined : this.#data.toString('utf8', span.start, span.end);
  }

  /**
   * Texts of a value the vocabulary does not know, continued from frame to frame under the same name: `field`, and the
   * way from there.
   */
  fragments(
    lanes: Lanes,
    choice: number,
    field: string,
    value: unknown,
    path: JsonPath,
    skip: ReadonlySet<string>,
  ): void {
    const visit = (text: string, at: JsonPath, kind: TextKind): void => {
      if (kind !== 'string') this.#whole(lanes, choice, text, at, kind);
      else this.text(lanes.unknown(choice, [field, ...at.slice(path.length)].join('.')), text, at);
    };
    const name = path.at(-1);
    if (typeof name === 'string') eachInMember(name, value, path.slice(0, -1), skip, visit);
    else eachText(value, path, skip, visit);
  }

  /** Texts of a value the vocabulary does not know, each whole where it stands. */
  wholes(lanes: Lanes, choice: number, value: unknown, path: JsonPath, skip: ReadonlySet<string>): void {
    eachText(value, path, skip, (text, at, kind) => this.#whole(lanes, choice, text, at, kind));
  }

  /** The name of a called tool: whoever answers the call needs it as it is, so it is looked at and never edited. */
  name(lanes: Lanes, choice: number, name: unknown, path: JsonPath): void {
    if (typeof name !== 'string' || name === '') return;
    const lane = lanes.alone(choice, true);
    this.text(lane, name, path);
    this.events.push({ type: 'lane_end', lane });
  }

  /** The same of one member of the object at `path`. */
  member(lanes: Lanes, choice: number, key: string, value: unknown, path: JsonPath, skip: ReadonlySet<string>): void {
    eachInMember(key, value, path, skip, (text, at, kind) => this.#whole(lanes, choice, text, at, kind));
  }

  #whole(lanes: Lanes, choice: number, text: string, path: JsonPath, kind: TextKind): void {
    const lane = lanes.alone(choice);
    if (kind === 'key') {
      this.keys ??= new Set();
      this.keys.add(this.paths.length);
    }
    // Past 2^53 a parsed number has lost its last digits.
    const exact = kind !== 'number' || Number.isSafeInteger(Number(text));
    this.text(lane, exact ? text : this.#spelled(path), path);
    this.events.push({ type: 'lane_end', lane });
  }
}
