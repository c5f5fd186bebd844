import { Command } from 'ioredis';
import type { Argument } from './in-flight.ts';

/** A command that is not put together once more to be sent: its words only say what it is. */
export class Wired extends Command {
  readonly #wire: string;

  /** `wire`: the command and its words as Redis reads them. */
  constructor(command: string, words: Argument[], replyEncoding: BufferEncoding | null, wire: string) {
    // Copying the words and making texts of them is for those that are put together here.
    super(command, [], { replyEncoding });
    this.args = words;
    this.#wire = wire;
  }

  override toWritable(): string {
    return this.#wire;
  }
}

/** The words that a script's commands begin with, as long as they are the same. */
export class Opening {
  readonly #length: number;
  #words: readonly string[] = [];
  #text = '';

  constructor(length: number) {
    this.#length = length;
  }

  get length(): number {
    return this.#length;
  }

  of(words: readonly string[]): string {
    for (let at = 0; at < this.#length; at += 1) if (this.#words[at] !== words[at]) return this.#renew(words);
    return this.#text;
  }

  #renew(words: readonly string[]): string {
    this.#words = words.slice(0, this.#length);
    this.#text = bulk('evalsha');
    for (const word of this.#words) this.#text += bulk(word);
    return this.#text;
  }
}

/** An EVALSHA as Redis reads it. */
export function wired(opening: Opening, words: readonly string[]): string {
  let text = `*${words.length + 1}\r\n${opening.of(words)}`;
  for (let at = opening.length; at < words.length; at += 1) text += bulk(words[at] ?? '');
  return text;
}

function bulk(word: string): string {
  return `$${Buffer.byteLength(word)}\r\n${word}\r\n`;
}
