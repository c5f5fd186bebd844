import type { JsonPath, Lane, ReplyEvent } from '../exchange/index.ts';
import type { Lanes } from './lanes.ts';
import { eachString } from './strings.ts';

/** What a piece of a reply says, collected while it is read; `paths[i]` is the place of the i-th text. */
export class Said {
  readonly events: ReplyEvent[] = [];
  readonly paths: JsonPath[] = [];
  /** Choices this piece speaks of, even without a text. */
  readonly choices: number[] = [];
  blockOpened: number | undefined;
  blockClosed: number | undefined;
  usageOnly = false;
  passes = false;

  /** The provider refused the gateway's own credentials: its words are not for the client. */
  get secret(): boolean {
    const last = this.events.at(-1);
    return last?.type === 'error' && last.failure.code === 'upstream_auth';
  }

  text(lane: Lane, text: unknown, path: JsonPath): void {
    if (typeof text !== 'string' || text === '') return;
    this.events.push({ type: 'text', lane, text });
    this.paths.push(path);
  }

  /** Texts of fields the vocabulary does not know, continued from frame to frame under the same name. */
  fragments(lanes: Lanes, choice: number, value: unknown, path: JsonPath, skip: ReadonlySet<string>): void {
    eachString(value, path, skip, (text, at) => this.text(lanes.unknown(choice, at.join('.')), text, at));
  }

  /** Texts of fields the vocabulary does not know, each whole where it stands. */
  wholes(lanes: Lanes, choice: number, value: unknown, path: JsonPath, skip: ReadonlySet<string>): void {
    eachString(value, path, skip, (text, at) => {
      const lane = lanes.alone(choice);
      this.text(lane, text, at);
      this.events.push({ type: 'lane_end', lane });
    });
  }
}
