import { type KeyObject, sign, verify } from 'node:crypto';
import { renameSync, writeFileSync } from 'node:fs';
import { sha256 } from './line.ts';

/** How often positions are signed, where nobody says otherwise. */
export const head_ms = 60_000;

/** A place in a spool's chain: after the record `seq`, whose hash is `hash`. Seq 0 is before the first. */
export interface Head {
  readonly spool: string;
  readonly seq: number;
  readonly hash: string;
  /** Unix ms of signing. */
  readonly at_ms: number;
  /** Sink and place of a position that a sink has reached; empty for the spool's own end. */
  readonly sink: string;
  readonly place: string;
}

/** A head with an Ed25519 signature: a trail that ends before it was truncated. */
export interface SignedHead extends Head {
  /** Id of the public key. */
  readonly key: string;
  /** Base64. */
  readonly sig: string;
}

function signedBytes(head: Head): Buffer {
  return Buffer.from(
    JSON.stringify(['llm-audit-head-1', head.spool, head.seq, head.hash, head.at_ms, head.sink, head.place]),
  );
}

/** Short id of a public key: the start of the SHA-256 of its DER form. */
export function publicKeyId(key: KeyObject): string {
  return sha256(key.export({ type: 'spki', format: 'der' }).toString('base64')).slice(0, 16);
}

export function signHead(head: Head, key: KeyObject, keyId: string): SignedHead {
  return { ...head, key: keyId, sig: sign(null, signedBytes(head), key).toString('base64') };
}

/** Whether the head was signed by one of these keys (by id). */
export function headHolds(head: SignedHead, keys: ReadonlyMap<string, KeyObject>): boolean {
  const key = keys.get(head.key);
  const sig = Buffer.from(head.sig, 'base64');
  // Base64 has spare bits: only the one spelling that signing gives is accepted.
  return key !== undefined && sig.toString('base64') === head.sig && verify(null, signedBytes(head), key, sig);
}

/** Reads a head from JSON; undefined where it is none. */
export function parseHead(json: string): SignedHead | undefined {
  try {
    const value = JSON.parse(json) as Partial<Record<keyof SignedHead, unknown>> | null;
    if (typeof value !== 'object' || value === null) return undefined;
    const { spool, seq, hash, at_ms, sink, place, key, sig } = value;
    if (typeof spool !== 'string' || typeof hash !== 'string' || typeof sink !== 'string') return undefined;
    if (typeof place !== 'string' || typeof key !== 'string' || typeof sig !== 'string') return undefined;
    if (typeof seq !== 'number' || typeof at_ms !== 'number') return undefined;
    return { spool, seq, hash, at_ms, sink, place, key, sig };
  } catch {
    return undefined;
  }
}

/** The one way a head is spelled in a file. */
export function headText(head: SignedHead): string {
  const { spool, seq, hash, at_ms, sink, place, key, sig } = head;
  return JSON.stringify({ spool, seq, hash, at_ms, sink, place, key, sig });
}

/** Puts a text with a head in it into a file, in one step: what lies there stays where the disk does not take it whole. */
export function writeSigned(file: string, text: string): void {
  writeFileSync(`${file}.new`, text, { mode: 0o600 });
  renameSync(`${file}.new`, file);
}
