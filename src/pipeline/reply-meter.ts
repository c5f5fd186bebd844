import { type Failure, type Frame, mergeUsage, type Usage } from '../exchange/index.ts';

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
  model: string | undefined;
  readonly finishReasons: string[] = [];
  readonly #texts: string[] | undefined;

  constructor(keepTexts: boolean) {
    this.#texts = keepTexts ? [] : undefined;
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
          if (event.lane.channel === 'content') this.#texts?.push(event.text);
          break;
        case 'usage':
          this.usage = mergeUsage(this.usage, event.usage);
          break;
        case 'start':
          this.model ??= event.model;
          break;
        case 'finish':
          this.finishReasons.push(event.reason);
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
}
