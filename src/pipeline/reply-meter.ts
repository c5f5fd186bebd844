import { type Failure, type Frame, type Lane, mergeUsage, type Usage } from '../exchange/index.ts';

/** A longer reply is estimated by its length when it breaks off. */
const keptCharactersMax = 1_000_000;

/** Counts what a reply says while it passes: usage, length, how it ends. */
export class ReplyMeter {
  usage: Usage | undefined;
  /** UTF-16 units of all texts, in every channel. */
  characters = 0;
  /** UTF-8 bytes of all texts and 1 for every piece: never fewer than the tokens they are made of. */
  tokensMax = 0;
  /** Set by the frame that says the reply is complete. */
  complete = false;
  failure: Failure | undefined;
  /** Set where a plain reply came whole, whatever it says. */
  plain = false;
  model: string | undefined;
  /** Of the choice that ended first. */
  finishReason: string | undefined;
  readonly #texts: string[] | undefined;
  /** Every text by its lane, as long as they are to be counted and are not too long. */
  #lanes: Map<string, string[]> | undefined;

  /** `keepLanes`: the texts are counted should the reply break off. */
  constructor(keepTexts: boolean, keepLanes = false) {
    this.#texts = keepTexts ? [] : undefined;
    this.#lanes = keepLanes ? new Map() : undefined;
  }

  /** What was said so far, a text for each lane; undefined where it was not kept. */
  get said(): readonly string[] | undefined {
    return this.#lanes === undefined ? undefined : [...this.#lanes.values()].map((pieces) => pieces.join(''));
  }

  /** Nothing more of it would have come. */
  get whole(): boolean {
    return this.complete || this.plain;
  }

  /** The reply's content so far, where a rule reads it. */
  get text(): string | undefined {
    return this.#texts?.join('');
  }

  see(frame: Frame): void {
    for (const event of frame.events) {
      switch (event.type) {
        case 'text':
          this.characters += event.text.length;
          this.tokensMax += Buffer.byteLength(event.text) + 1;
          if (this.#lanes !== undefined) this.#keep(event.lane, event.text);
          if (event.lane.channel === 'content') this.#texts?.push(event.text);
          break;
        case 'usage':
          this.usage = mergeUsage(this.usage, event.usage);
          break;
        case 'start':
          this.model ??= event.model;
          break;
        case 'finish':
          this.finishReason ??= event.reason;
          break;
        case 'error':
          this.failure ??= event.failure;
          break;
        case 'end':
          this.complete = true;
          break;
        default:
          break;
      }
    }
  }

  #keep({ choice, channel, index }: Lane, text: string): void {
    if (this.characters > keptCharactersMax) {
      this.#lanes = undefined;
      return;
    }
    const name = `${choice} ${channel} ${index}`;
    const pieces = this.#lanes?.get(name);
    if (pieces === undefined) this.#lanes?.set(name, [text]);
    else pieces.push(text);
  }
}
