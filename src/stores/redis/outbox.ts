import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { Lines } from '../lines.ts';
import { LiveMap } from '../live-map.ts';
import { type Lock, lock } from '../lock.ts';
import { encoded } from '../window-key.ts';
import { putMessage } from './message-line.ts';
import { WholeLines } from './whole-lines.ts';

/** What Redis has yet to hear. Sending it twice changes nothing. */
export type Message =
  | {
      readonly op: 'settle';
      /** What its line in the outbox is struck by; 0 where it has none yet. Earlier versions wrote none. */
      n?: number;
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
  | { readonly op: 'release'; n?: number; readonly id: string; readonly organization: string; readonly nonce: string };

const file_bytes_max = 8 * 1_048_576;
const messages_max = 200_000;
/** What was acknowledged is struck from the file this late at most: sent again after a crash, it changes nothing. */
const strike_ms = 50;
/** How soon a full disk is tried again. */
const full_ms = 500;
/** What waits is on the disk so late at most. */
const flush_ms = 200;
const kept = Promise.resolve();

/**
 * Settlements and releases that Redis has not acknowledged. They are written to a file, all of one turn of the event loop
 * in one write, so that neither a crash nor a long outage forgets them. A line is a message, or strikes one that was
 * acknowledged: `-12.` by the number it has, `-` and its name where it has none. What a full disk has no room for is in
 * memory until it has, and sent all the same. Beyond `messages_max` a settlement is left to the reaper, which settles at
 * the estimate.
 */
export class Outbox {
  /** Of each organisation, by their names. */
  readonly #messages = new Map<string, LiveMap<Message>>();
  #size = 0;
  readonly #notice: (message: string) => void;
  readonly #lock: Lock | undefined;
  #file: WholeLines | undefined;
  /** For the next write. */
  readonly #lines = new Lines();
  /** Kept by all whose lines are in the next write. */
  #writing: Promise<void> | undefined;
  #written: (() => void) | undefined;
  #scheduled = false;
  #number = 0;
  #timer: NodeJS.Timeout | undefined;
  #flushing: NodeJS.Timeout | undefined;
  #size_max = file_bytes_max;
  /** Monotonic ms. */
  #rewritable_ms = 0;
  /** The disk had no room last. */
  #full = false;

  /** Opens the file and reads what an earlier process left. Throws where another process has it open. */
  constructor(path: string | undefined, notice: (message: string) => void) {
    this.#notice = notice;
    if (path === undefined) return;
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    this.#lock = lock(`${path}.lock`, () => this.#abandon(path));
    try {
      // Made where it is missing, and for nobody else.
      writeFileSync(path, '', { flag: 'a', mode: 0o600 });
      const text = readFileSync(path, 'utf8');
      this.#file = new WholeLines(path, text);
      this.#read(path, text);
      this.#rewrite();
    } catch (error) {
      // Whoever tries again in this process finds it free.
      this.#lock.release();
      throw error;
    }
  }

  #read(path: string, text: string): void {
    const torn = text.slice(text.lastIndexOf('\n') + 1);
    const messages = new Map<string, Message>();
    const words = new Map<string, string>();
    for (const line of text.split('\n')) {
      if (line === '') continue;
      if (line.startsWith('-')) {
        // Half a name may be the name of another.
        if (line !== torn) messages.delete(words.get(line) ?? line.slice(1));
        continue;
      }
      try {
        const message = JSON.parse(line) as Message;
        const word = wordOf(message);
        messages.set(word, message);
        if (message.n === undefined) continue;
        words.set(`-${message.n}.`, word);
        this.#number = Math.max(this.#number, message.n);
      } catch {
        this.#notice(`${path}: a torn line was left out`);
      }
    }
    for (const message of messages.values()) this.#put(this.#of(message.organization), message);
  }

  #of(organization: string): LiveMap<Message> {
    let own = this.#messages.get(organization);
    if (own === undefined) {
      own = new LiveMap();
      this.#messages.set(organization, own);
    }
    return own;
  }

  #put(own: LiveMap<Message>, message: Message): void {
    const before = own.size;
    own.set(nameOf(message), message);
    this.#size += own.size - before;
  }

  get size(): number {
    return this.#size;
  }

  /** Every message, as a list that does not change while they are sent. */
  waiting(): Message[] {
    const all: Message[] = [];
    for (const own of this.#messages.values()) for (const message of own.values()) all.push(message);
    // As they came, whosever they are: those of earlier versions have no numbers, and came first.
    return this.#messages.size > 1 ? all.sort((a, b) => (a.n ?? 0) - (b.n ?? 0)) : all;
  }

  /** Whether it is still to be heard. */
  has(message: Message): boolean {
    return this.#messages.get(message.organization)?.get(nameOf(message)) === message;
  }

  /** Resolves once the message is in the file, or left to the reaper. */
  keep(message: Message): Promise<void> {
    if (!this.#add(message) || this.#file === undefined) return kept;
    this.#schedule();
    this.#writing ??= new Promise((resolve) => {
      this.#written = resolve;
    });
    return this.#writing;
  }

  #add(message: Message): boolean {
    const own = this.#of(message.organization);
    const known = own.get(nameOf(message));
    // A settlement that waits says more than a release that comes after it, and the first one counts.
    if (known?.op === 'settle') return true;
    if (this.#size >= messages_max) {
      this.#notice(`the outbox is full: ${message.id} is left to the reaper`);
      return false;
    }
    this.#put(own, message);
    if (this.#file === undefined) return true;
    message.n = ++this.#number;
    putMessage(this.#lines, message);
    return true;
  }

  done(message: Message): void {
    const own = this.#messages.get(message.organization);
    const name = nameOf(message);
    const known = own?.get(name);
    if (own === undefined || known === undefined) return;
    own.delete(name);
    this.#size -= 1;
    if (this.#file === undefined) return;
    putStruck(this.#lines, known);
    this.#timer ??= setTimeout(this.#late, strike_ms).unref();
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(this.#write);
  }

  /** Not set anew with each write: a call would have a timer of its own. */
  readonly #late = (): void => {
    this.#timer = undefined;
    this.#write();
  };

  readonly #write = (): void => {
    this.#scheduled = false;
    this.#lock?.held();
    const written = this.#written;
    this.#writing = undefined;
    this.#written = undefined;
    this.#append(this.#lines);
    this.#lines.clear();
    written?.();
    const { size = 0, behind = false, owes = false } = this.#file ?? {};
    if (behind || (this.#size === 0 && (size > 0 || owes)) || size > this.#size_max) this.#rewrite();
    if (this.#file?.owes) this.#timer ??= setTimeout(this.#late, full_ms).unref();
    if (this.#file !== undefined && this.#size > 0) this.#flushing ??= setTimeout(this.#flush, flush_ms).unref();
  };

  /** Of an outage a power cut takes what is new alone. What was acknowledged by now may come back: it changes nothing. */
  readonly #flush = (): void => {
    this.#flushing = undefined;
    if (this.#size > 0) this.#file?.flushSoon(this.#unflushed);
  };

  readonly #unflushed = (error: Error): void => {
    this.#try('be flushed', () => {
      throw error;
    });
    this.#timer ??= setTimeout(this.#late, full_ms).unref();
  };

  #append(lines: Lines): void {
    const file = this.#file;
    if (file === undefined || (lines.size === 0 && !file.owes) || file.behind) return;
    this.#try('be written, its messages are in memory only', () => file.append(lines));
  }

  #rewrite(): void {
    const file = this.#file;
    // Everything anew is dear: a disk that had no room is not asked all the time.
    if (file === undefined || performance.now() < this.#rewritable_ms) return;
    this.#rewritable_ms = performance.now() + full_ms;
    this.#try('be rewritten', () => {
      let text = '';
      for (const message of this.waiting()) text += `${JSON.stringify(message)}\n`;
      file.rewrite(text);
      this.#rewritable_ms = 0;
    });
    this.#size_max = Math.max(file.size * 2, file_bytes_max);
  }

  /** Tells once that the disk has no room, and once that it has. */
  #try(what: string, step: () => void): void {
    try {
      step();
      if (this.#full && !this.#file?.owes) this.#notice('the outbox is written again');
      this.#full = this.#file?.owes ?? false;
    } catch (error) {
      if (!this.#full) this.#notice(`the outbox cannot ${what}: ${(error as Error).message}`);
      this.#full = true;
    }
  }

  /** Another process sends what is in the file, and writes it from now on. */
  #abandon(path: string): void {
    this.#letGo();
    this.#lines.clear();
    this.#notice(`${path}: another process has taken over the outbox; messages are in memory only from now on`);
  }

  #letGo(): void {
    clearTimeout(this.#timer);
    clearTimeout(this.#flushing);
    const file = this.#file;
    this.#file = undefined;
    file?.close();
  }

  close(): void {
    this.#write();
    this.#try('be flushed', () => this.#file?.sync());
    this.#letGo();
    this.#lock?.release();
  }
}

function putStruck(lines: Lines, message: Message): void {
  if (message.n === undefined) {
    lines.text(`-${wordOf(message)}\n`);
    return;
  }
  lines.letters('-');
  lines.whole(message.n);
  // The point says that no digit is missing.
  lines.letters('.\n');
}

/** Among those of its organisation: an id has no spaces. */
function nameOf(message: Message): string {
  return message.op === 'release' && message.nonce !== '' ? `${message.id} ${message.nonce}` : message.id;
}

/** Among all, as earlier versions struck it. */
function wordOf(message: Message): string {
  const nonce = message.op === 'release' ? message.nonce : '';
  return `${encoded(message.organization)} ${message.id} ${nonce}`;
}
