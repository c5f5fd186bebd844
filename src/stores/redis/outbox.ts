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
import { encoded } from '../window-key.ts';

/** What Redis has yet to hear. Sending it twice changes nothing. */
export type Message =
  | {
      readonly op: 'settle';
      readonly id: string;
      readonly organization: string;
      readonly nusd: number;
      readonly tokens: number;
      readonly input?: number;
      readonly estimated: boolean;
      /** As `labelText` has them. */
      readonly labels?: string;
      /** When it was first sent. */
      readonly at_ms: number;
    }
  | { readonly op: 'release'; readonly id: string; readonly organization: string; readonly nonce: string };

const file_bytes_max = 8 * 1_048_576;
const messages_max = 200_000;
/** What was acknowledged is struck from the file this late at most: sent again after a crash, it changes nothing. */
const strike_ms = 50;

/**
 * Settlements and releases that Redis has not acknowledged. They are written to a file, all of one turn of the event loop
 * in one write, so that neither a crash nor a long outage forgets them. A line is a message, or `-` and the name of one
 * that was acknowledged. Beyond `messages_max` a settlement is left to the reaper, which settles at the estimate.
 */
export class Outbox {
  readonly #messages = new Map<string, Message>();
  readonly #notice: (message: string) => void;
  readonly #path: string | undefined;
  readonly #lock: { release(): void } | undefined;
  #fd: number | undefined;
  #size = 0;
  #lines = '';
  #struck = '';
  #written: (() => void)[] = [];
  #scheduled = false;
  #timer: NodeJS.Timeout | undefined;
  #size_max = file_bytes_max;

  /** Opens the file and reads what an earlier process left. Throws where another process has it open. */
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
      if (line.startsWith('-')) {
        this.#messages.delete(line.slice(1));
        continue;
      }
      try {
        const message = JSON.parse(line) as Message;
        this.#messages.set(nameOf(message), message);
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

  /** Whether it is still to be heard. */
  has(message: Message): boolean {
    return this.#messages.get(nameOf(message)) === message;
  }

  /** Resolves once the message is in the file; false where there was no room for it. */
  keep(message: Message): Promise<boolean> {
    if (!this.#add(message)) return Promise.resolve(false);
    if (this.#fd === undefined) return Promise.resolve(true);
    this.#schedule();
    return new Promise((resolve) => {
      this.#written.push(() => resolve(true));
    });
  }

  #add(message: Message): boolean {
    const name = nameOf(message);
    const known = this.#messages.get(name);
    // A settlement that waits says more than a release that comes after it, and the first one counts.
    if (known?.op === 'settle') return true;
    if (this.#messages.size >= messages_max) {
      this.#notice(`the outbox is full: ${message.id} is left to the reaper`);
      return false;
    }
    this.#messages.set(name, message);
    if (this.#fd !== undefined) this.#lines += `${JSON.stringify(message)}\n`;
    return true;
  }

  done(message: Message): void {
    const name = nameOf(message);
    if (!this.#messages.delete(name) || this.#fd === undefined) return;
    this.#struck += `-${name}\n`;
    this.#timer ??= setTimeout(this.#write, strike_ms).unref();
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(this.#write);
  }

  readonly #write = (): void => {
    this.#scheduled = false;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const written = this.#written;
    this.#written = [];
    this.#append(this.#lines + this.#struck);
    this.#lines = '';
    this.#struck = '';
    for (const resolve of written) resolve();
    if ((this.#messages.size === 0 && this.#size > 0) || this.#size > this.#size_max) this.#rewrite();
  };

  #append(text: string): void {
    if (this.#fd === undefined || text === '') return;
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
      this.#size_max = this.#size + file_bytes_max;
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
    this.#size = Buffer.byteLength(text);
  }

  close(): void {
    this.#write();
    if (this.#fd !== undefined) {
      fsyncSync(this.#fd);
      closeSync(this.#fd);
    }
    this.#fd = undefined;
    this.#lock?.release();
  }
}

function nameOf(message: Message): string {
  const nonce = message.op === 'release' ? message.nonce : '';
  return `${encoded(message.organization)} ${message.id} ${nonce}`;
}
