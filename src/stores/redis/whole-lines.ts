import {
  closeSync,
  fdatasync,
  fdatasyncSync,
  ftruncateSync,
  openSync,
  renameSync,
  unlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import type { Lines } from '../lines.ts';

/** Text that found no room is kept for the next try up to here; beyond, only writing everything anew helps. */
const unwritten_max = 4 * 1_048_576;
const none = Buffer.alloc(0);

/**
 * A file of lines that is appended to and sometimes written anew. On a full disk nothing of it is torn: what was written
 * of a text in part is cut off again, and the text waits for the next try, whole.
 */
export class WholeLines {
  readonly #path: string;
  #fd: number;
  /** Bytes of whole lines. */
  #size: number;
  /** What found no room yet. */
  #unwritten = none;
  /** More found no room than is kept: the file has to be written anew. */
  #behind = false;
  /** Something that is no whole line may stand at its end. */
  #torn: boolean;
  /** What is being flushed; it is closed when done, where it is not the file any more. */
  #flushing: number | undefined;
  #closed = false;

  /** `text` is what stands in the file now. */
  constructor(path: string, text: string) {
    this.#path = path;
    this.#fd = openSync(path, 'a+', 0o600);
    this.#size = Buffer.byteLength(text.slice(0, text.lastIndexOf('\n') + 1));
    this.#torn = text !== '' && !text.endsWith('\n');
  }

  get size(): number {
    return this.#size;
  }

  /** Whether something that was appended does not stand in the file. */
  get owes(): boolean {
    return this.#behind || this.#unwritten.length > 0;
  }

  /** Whether only `rewrite` brings the file up to date. */
  get behind(): boolean {
    return this.#behind;
  }

  /** Appends whole lines, after those that found no room before. Throws where there is still none; they are kept. */
  append(lines: Lines): void {
    if (this.#behind) throw new Error('it waits to be written anew');
    const before = this.#unwritten;
    if (before.length + lines.size === 0) return;
    const mend = this.#mend();
    let { bytes, size } = lines;
    if (before.length > 0 || mend !== '') {
      bytes = Buffer.concat([Buffer.from(mend), before, bytes.subarray(0, size)]);
      size = bytes.length;
    }
    let written = 0;
    try {
      while (written < size) written += writeSync(this.#fd, bytes, written, size - written);
      this.#unwritten = none;
      this.#size += size;
      this.#torn = false;
    } catch (error) {
      this.#unwritten = Buffer.concat([before, lines.bytes.subarray(0, lines.size)]);
      if (written > 0) this.#torn = true;
      this.#mend();
      if (this.#unwritten.length > unwritten_max) {
        this.#unwritten = none;
        this.#behind = true;
      }
      throw error;
    }
  }

  /** Cuts off what is no whole line; where that fails, what is to be written first so that it harms no other line. */
  #mend(): string {
    if (!this.#torn) return '';
    try {
      ftruncateSync(this.#fd, this.#size);
      this.#torn = false;
      return '';
    } catch {
      return '\n';
    }
  }

  /** These lines instead of all, in one step: a crash leaves the old file or the new one. Throws where there is no room. */
  rewrite(lines: string): void {
    if (lines === '') ftruncateSync(this.#fd, 0);
    else this.#replace(lines);
    this.#size = Buffer.byteLength(lines);
    this.#unwritten = none;
    this.#behind = false;
    this.#torn = false;
  }

  #replace(lines: string): void {
    const draft = `${this.#path}.draft`;
    let fd: number | undefined;
    try {
      writeFileSync(draft, lines, { mode: 0o600 });
      fd = openSync(draft, 'a+', 0o600);
      // Before it takes the place of lines that are on the disk.
      fdatasyncSync(fd);
      renameSync(draft, this.#path);
    } catch (error) {
      if (fd !== undefined) closeSync(fd);
      // A draft that found no room takes the room of the lines that do.
      try {
        unlinkSync(draft);
      } catch {
        // It was not even begun.
      }
      throw error;
    }
    const old = this.#fd;
    this.#fd = fd;
    if (this.#flushing !== old) closeSync(old);
  }

  /** To the platter, some time soon. Where that fails it is told, and the file has to be written anew. */
  flushSoon(failed: (error: Error) => void): void {
    if (this.#flushing !== undefined) return;
    const fd = this.#fd;
    this.#flushing = fd;
    fdatasync(fd, (error) => {
      this.#flushing = undefined;
      if (this.#closed || fd !== this.#fd) closeSync(fd);
      else if (error !== null) {
        this.#behind = true;
        failed(error);
      }
    });
  }

  /** To the platter, before it returns. Throws where it does not get there. */
  sync(): void {
    fdatasyncSync(this.#fd);
  }

  close(): void {
    this.#closed = true;
    if (this.#flushing !== this.#fd) closeSync(this.#fd);
  }
}
