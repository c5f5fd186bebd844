import { type Failure, type Frame, type Lane, mergeUsage, type Usage } from '../exchange/index.ts';

/** A longer reply is estimated by its length when it breaks off. */
const keptBytesMax = 1_000_000;

/** Counts what a reply says while it passes: usage, length, how it ends. */
export class ReplyMeter {
  usage: Usage | undefined;
  /** UTF-8 bytes of all texts, in every channel. */
  bytes = 0;
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
  /** Whether the model said more after it told its output last: what it told is then not all of it. */
  outdated = false;
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

  /** Most tokens a reply that goes on may have taken: those of what it shows, or what it tells if that is more. */
  get tokensTaken(): number {
    const told = this.finishReason === undefined ? this.usage?.output : undefined;
    return told === undefined ? this.tokensMax : Math.max(this.tokensMax, told);
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
    let told = false;
    for (const event of frame.events) {
      switch (event.type) {
        case 'text':
          this.#count(event.lane, event.text);
          if (event.lane.channel === 'content') this.#texts?.push(event.text);
          break;
        case 'usage':
          this.usage = mergeUsage(this.usage, event.usage);
          told ||= event.usage.output !== undefined;
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
    // A frame tells of all that stands in it.
    if (told) this.outdated = false;
  }

  /** What came of a reply that was ended before it: nobody reads it any more, and it is paid for. */
  rest(frames: readonly Frame[]): void {
    for (const { events } of frames) {
      for (const event of events) {
        if (event.type === 'text') this.#count(event.lane, event.text);
        else if (event.type === 'end') this.complete = true;
        else if (event.type === 'usage') {
          this.usage = mergeUsage(this.usage, event.usage);
          if (event.usage.output !== undefined) this.outdated = false;
        }
      }
    }
  }

  #count(lane: Lane, text: string): void {
    const bytes = Buffer.byteLength(text);
    this.bytes += bytes;
    this.tokensMax += bytes + 1;
    // What stands around a reply is no output (`other`): a list of sources, a note of the provider's.
    if (lane.channel !== 'other') this.outdated = true;
    if (this.#lanes !== undefined) this.#keep(lane, text);
  }

  #keep({ choice, channel, index }: Lane, text: string): void {
    if (this.bytes > keptBytesMax) {
      this.#lanes = undefined;
      return;
    }
    const name = `${choice} ${channel} ${index}`;
    const pieces = this.#lanes?.get(name);
    if (pieces === undefined) this.#lanes?.set(name, [text]);
    else pieces.push(text);
  }
}
