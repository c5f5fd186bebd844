import type { Channel, Lane } from '../exchange/index.ts';

/** The lanes of one reply, interned: the same place is the same object, and slots count up in order of appearance. */
export class Lanes {
  /** By name; without the first as long as it is the only one. */
  #known: Map<string, Lane> | undefined;
  #slots = 0;
  #last: Lane | undefined;

  /** The lane of a tool call or content block; `signed` counts when it is first seen. */
  of(choice: number, channel: Channel, index: number, signed = false): Lane {
    const last = this.#last;
    if (last !== undefined && last.choice === choice && last.channel === channel && last.index === index) return last;
    // Most replies have one lane: it needs no name.
    const only = last === undefined && this.#known === undefined;
    const lane = only
      ? this.#make(choice, channel, index, signed)
      : this.#intern(`${choice} ${channel} ${index}`, choice, channel, index, signed);
    this.#last = lane;
    return lane;
  }

  /** The lane of a field the vocabulary does not know, by its name: `index` -1, so that it belongs to no tool or block. */
  unknown(choice: number, field: string): Lane {
    return this.#intern(`${choice} ? ${field}`, choice, 'other', -1, false);
  }

  /** The lane of one of several runs of text that clients may read as one. */
  joining(choice: number, channel: Channel, index: number): Lane {
    return this.#intern(`${choice} ${channel} ${index}`, choice, channel, index, false, true);
  }

  /** A lane of its own, for a text that is whole where it stands and is not continued by later frames. */
  alone(choice: number, signed = false): Lane {
    return this.#make(choice, 'other', -1, signed);
  }

  #intern(key: string, choice: number, channel: Channel, index: number, signed: boolean, joins = false): Lane {
    this.#known ??= this.#begun();
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    const lane = this.#make(choice, channel, index, signed, joins);
    this.#known.set(key, lane);
    return lane;
  }

  #begun(): Map<string, Lane> {
    const known = new Map<string, Lane>();
    const first = this.#last;
    if (first !== undefined) known.set(`${first.choice} ${first.channel} ${first.index}`, first);
    return known;
  }

  #make(choice: number, channel: Channel, index: number, signed: boolean, joins = false): Lane {
    const place = { slot: this.#slots, choice, channel, index, signed };
    const lane: Lane = joins ? { ...place, joins } : place;
    this.#slots += 1;
    return lane;
  }
}
