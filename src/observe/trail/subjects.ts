import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { closeSync, fdatasyncSync, fstatSync, openSync, readdirSync, statSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { LRUCache } from 'lru-cache';
import type { RecordCaller } from '../record.ts';
import { type Sealed, sealedText } from './line.ts';
import { type Entry, eraseIn, readEntries } from './subject-file.ts';

/** What of a record belongs to a person. */
export interface Personal {
  readonly user?: string | undefined;
  readonly email?: string | undefined;
  readonly ip?: string | undefined;
  readonly facts?: Readonly<Record<string, unknown>> | undefined;
}

interface Subject {
  /** Random: after the entry is gone nothing leads from a person to it. */
  readonly id: string;
  readonly key: Buffer;
}

/** Keyed hash under which a subject's key is filed. */
export function subjectHash(name: string, hash: (text: string) => string): string {
  return hash(`subject ${name}`);
}

function encrypt(key: Buffer, text: string): string {
  const nonce = randomBytes(12);
  const cipher = createCipheriv('aes-256-gcm', key, nonce);
  return Buffer.concat([nonce, cipher.update(text, 'utf8'), cipher.final(), cipher.getAuthTag()]).toString('base64');
}

function decrypt(key: Buffer, sealed: string): string {
  const bytes = Buffer.from(sealed, 'base64');
  const decipher = createDecipheriv('aes-256-gcm', key, bytes.subarray(0, 12));
  decipher.setAuthTag(bytes.subarray(-16));
  return decipher.update(bytes.subarray(12, -16), undefined, 'utf8') + decipher.final('utf8');
}

/** How long a sealed identity is used again before it is sealed anew and the key file looked at. */
const reuse_ms = 60_000;

/** The keys of the people one spool writes about, on disk in a file of its own. */
export class Subjects {
  readonly #file: string;
  readonly #hash: (text: string) => string;
  readonly #byName = new Map<string, Subject>();
  readonly #sealed = new LRUCache<string, Sealed>({ max: 4096, ttl: reuse_ms });
  /** By who asked: the same frozen object for calls of the same caller from the same place. */
  #ofCaller = new WeakMap<object, { readonly sealed: Sealed; readonly until: number }>();
  #seen = '';
  #erased = new Set<string>();

  constructor(dir: string, spool: string, hash: (text: string) => string) {
    this.#file = join(dir, `subjects-${spool}.jsonl`);
    this.#hash = hash;
    this.#refresh();
  }

  /** Another process may have erased a subject: the file is then another one. */
  #refresh(): void {
    let now = 'none';
    try {
      const stat = statSync(this.#file);
      now = `${stat.ino} ${stat.size}`;
    } catch {
      // Not there yet.
    }
    if (now === this.#seen) return;
    this.#seen = now;
    const before = [...this.#byName];
    this.#byName.clear();
    for (const entry of readEntries(this.#file)) {
      this.#byName.set(entry.of, { id: entry.id, key: Buffer.from(entry.key, 'base64') });
    }
    for (const [of, { id }] of before) if (this.#byName.get(of)?.id !== id) this.#erased.add(of);
  }

  /** Of the names whose keys another process erased since this was asked last: whether a name is one of them. */
  erased(): ((name: string) => boolean) | undefined {
    this.#refresh();
    const erased = this.#erased;
    if (erased.size === 0) return undefined;
    this.#erased = new Set();
    return (name) => erased.has(subjectHash(name, this.#hash));
  }

  /** The subject's key, made and written to disk before its first use. Throws where the disk does not take it. */
  #subject(name: string): Subject {
    this.#refresh();
    const of = subjectHash(name, this.#hash);
    const known = this.#byName.get(of);
    if (known !== undefined) return known;
    const subject = { id: randomBytes(12).toString('hex'), key: randomBytes(32) };
    const line = `${JSON.stringify({ of, id: subject.id, key: subject.key.toString('base64') } satisfies Entry)}\n`;
    // Where somebody who erases put another file in its place meanwhile, this one may not have been seen by then.
    while (this.#append(line) !== statSync(this.#file, { throwIfNoEntry: false })?.ino) this.#seen = '';
    this.#byName.set(of, subject);
    return subject;
  }

  /** On disk when it returns, in the file with this inode. */
  #append(line: string): number {
    const fd = openSync(this.#file, 'a', 0o600);
    try {
      // The newline first ends a line that a short write of an earlier try left torn.
      const bytes = Buffer.from(`\n${line}`);
      if (writeSync(fd, bytes) !== bytes.length) throw new Error('The disk took half a key');
      fdatasyncSync(fd);
      const stat = fstatSync(fd);
      const grown = this.#seen === `${stat.ino} ${stat.size - bytes.length}` || stat.size === bytes.length;
      this.#seen = grown ? `${stat.ino} ${stat.size}` : '';
      return stat.ino;
    } finally {
      closeSync(fd);
    }
  }

  /**
   * Seals who a record is about, and its texts. The same person from the same place is sealed once a minute: the
   * cipher costs as much as the rest of the record.
   */
  seal(name: string, who: Personal, content: string | undefined): Sealed {
    const whoJson = JSON.stringify(who);
    if (content !== undefined) return this.#sealNow(name, whoJson, content);
    return this.#sealedWho(name, whoJson);
  }

  /** `seal` of a caller alone, found again by the object that tells of it where that cannot change. */
  sealCaller(caller: RecordCaller, nameOf: (caller: RecordCaller) => string): Sealed {
    const known = this.#ofCaller.get(caller);
    if (known !== undefined && performance.now() < known.until) return known.sealed;
    const { user, email, ip } = caller;
    const name = nameOf(caller);
    const whoJson = JSON.stringify({ user, email, ip } satisfies Personal);
    const sealed = this.#sealedWho(name, whoJson);
    if (Object.isFrozen(caller)) {
      const left_ms = this.#sealed.getRemainingTTL(`${name}\n${whoJson}`);
      this.#ofCaller.set(caller, { sealed, until: performance.now() + left_ms });
    }
    return sealed;
  }

  #sealedWho(name: string, whoJson: string): Sealed {
    const known = this.#sealed.get(`${name}\n${whoJson}`);
    if (known !== undefined) return known;
    const sealed = this.#sealNow(name, whoJson, undefined);
    this.#sealed.set(`${name}\n${whoJson}`, sealed);
    return sealed;
  }

  #sealNow(name: string, whoJson: string, content: string | undefined): Sealed {
    const subject = this.#subject(name);
    const text = content === undefined ? '' : `,"content":"${encrypt(subject.key, content)}"`;
    const json = `{"subject":"${subject.id}","who":"${encrypt(subject.key, whoJson)}"${text}}`;
    return sealedText(json);
  }

  /** Forgets a subject's key: whatever was sealed under it, in every sink and backup, can no longer be read. */
  erase(name: string): boolean {
    this.#sealed.clear();
    this.#ofCaller = new WeakMap();
    this.#refresh();
    const of = subjectHash(name, this.#hash);
    this.#byName.delete(of);
    return eraseIn(this.#file, of);
  }
}

/** Opens what subjects' keys still open, across all spools of a data directory. */
export class SubjectReader {
  readonly #keys = new Map<string, Buffer>();
  readonly #ids = new Map<string, Set<string>>();
  readonly #hash: (text: string) => string;

  constructor(dir: string, hash: (text: string) => string) {
    this.#hash = hash;
    for (const file of readdirSync(dir)) {
      if (!/^subjects-.*\.jsonl$/.test(file)) continue;
      for (const entry of readEntries(join(dir, file))) {
        this.#keys.set(entry.id, Buffer.from(entry.key, 'base64'));
        const ids = this.#ids.get(entry.of) ?? new Set<string>();
        this.#ids.set(entry.of, ids.add(entry.id));
      }
    }
  }

  /** Ids under which this name's records are sealed. */
  idsOf(name: string): ReadonlySet<string> {
    return this.#ids.get(subjectHash(name, this.#hash)) ?? new Set();
  }

  /** The personal part in clear; undefined where its subject was erased, or it is not what was sealed any more. */
  open(personalJson: string): { readonly who: Personal; readonly content: string | undefined } | undefined {
    try {
      const parts = JSON.parse(personalJson) as { subject?: string; who?: string; content?: string };
      const key = this.#keys.get(parts.subject ?? '');
      if (key === undefined || parts.who === undefined) return undefined;
      return {
        who: JSON.parse(decrypt(key, parts.who)) as Personal,
        content: parts.content === undefined ? undefined : decrypt(key, parts.content),
      };
    } catch {
      return undefined;
    }
  }
}
