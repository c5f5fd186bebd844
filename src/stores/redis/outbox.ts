import {
  closeSync,
  fsyncSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { lock } from '../lock.ts';

/** What Redis has yet to hear. Sending it twice changes nothing. */
export type Message =
  | {
      readonly op: 'settle';
      readonly id: string;
      readonly organization: string;
      readonly nusd: number;
      readonly tokens: number;
      readonly estimated: boolean;
      /** When it was first sent. */
      readonly at_ms: number;
    }
  | { readonly op: 'release'; readonly id: string; readonly organization: string; readonly nonce: string };

const file_bytes_max = 8 * 1_048_576;
const messages_max = 200_000;

/**
 * Settlements and releases that Redis has not acknowledged. They are written to a file before anyone is told that Redis
 * is lost, so that neither a crash nor a long outage forgets them. Beyond `messages_max` a settlement is left to the
 * reaper, which settles at the estimate.
 */
export class Outbox {
  readonly #messages = new Map<string, Message>();
  readonly #notice: (message: string) => void;
  readonly #path: string | undefined;
  #fd: number | undefined;
  #size = 0;
  #lock: { release(): void } | undefined;

  constructor(path: string | undefined, notice: (message: string) => void) {
    this.#notice = notice;
    this.#path = path;
    if (path === undefined) return;
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    this.#lock = lock(`${path}.lock`);
    this.#fd = openSync(path, 'a+', 0o600);
    const text = readFileSync(path, 'utf8');
    for (const line of text.split('\n')) {
      if (line === '') continue;
      try {
        const message = JSON.parse(line) as Message;
        this.#messages.set(keyOf(message), message);
      } catch {
        notice(`${path}: a torn line was left out`);
      }
    }
    this.#rewrite();
  }

  get size(): number {
    return this.#messages.size;
  }

  /** Every message, as a list that does not change while they are sent. */
  waiting(): Message[] {
    return [...this.#messages.values()];
  }

  add(message: Message): void {
    const key = keyOf(message);
    const known = this.#messages.get(key);
    // A settlement that waits says more than a release that comes after it.
    if (known?.op === 'settle') return;
    if (this.#messages.size >= messages_max) {
      this.#notice(`the outbox is full: ${message.id} is left to the reaper`);
      return;
    }
    this.#messages.set(key, message);
    this.#append(`${JSON.stringify(message)}\n`);
  }

  done(message: Message): void {
    this.#messages.delete(keyOf(message));
    if (this.#messages.size === 0 || this.#size > file_bytes_max) this.#rewrite();
  }

  #append(text: string): void {
    if (this.#fd === undefined) return;
    try {
      this.#size += writeSync(this.#fd, text);
    } catch (error) {
      this.#notice(`the outbox cannot be written, its messages are in memory only: ${(error as Error).message}`);
    }
  }

  /** A new file takes the place of the old one in one step, so that a crash leaves one or the other. */
  #rewrite(): void {
    if (this.#fd === undefined || this.#path === undefined) return;
    try {
      if (this.#messages.size === 0) ftruncateSync(this.#fd, 0);
      else this.#replace(this.#path);
      this.#size = this.#messages.size === 0 ? 0 : this.#size;
    } catch (error) {
      this.#notice(`the outbox cannot be rewritten: ${(error as Error).message}`);
    }
  }

  #replace(path: string): void {
    let text = '';
    for (const message of this.#messages.values()) text += `${JSON.stringify(message)}\n`;
    writeFileSync(`${path}.draft`, text, { mode: 0o600 });
    const fd = openSync(`${path}.draft`, 'a+', 0o600);
    renameSync(`${path}.draft`, path);
    if (this.#fd !== undefined) closeSync(this.#fd);
    this.#fd = fd;
    this.#size = text.length;
  }

  close(): void {
    if (this.#fd !== undefined) {
      fsyncSync(this.#fd);
      closeSync(this.#fd);
    }
    this.#fd = undefined;
    this.#lock?.release();
  }
}

function keyOf(message: Message): string {
  const nonce = message.op === 'release' ? message.nonce : '';
  return `${message.organization} ${message.id} ${nonce}`;
}
