import { hash as digest } from 'node:crypto';
import type { Lines } from '../../stores/index.ts';
import type { AuditRecord } from '../record.ts';

/** `prev` of the first record of a spool. */
export const genesis = '0'.repeat(64);

/**
 * The personal part of a line: JSON text with the subject's random id and what is sealed under the subject's key.
 * The line's hash covers `commit` and not the text, so dropping the text leaves the chain whole. The text hides what it
 * commits to: it holds a random nonce and ciphertext.
 */
export interface Sealed {
  /** The text with its field's name before it and the end of the line behind it, as a line ends. */
  readonly closing: Uint8Array;
  /** SHA-256 of the text, hex. */
  readonly commit: string;
}

/** One record as it lies in a spool and in every sink. */
export interface SpooledRecord {
  readonly spool: string;
  readonly seq: number;
  /** Unix ms of appending; never falls within a spool. */
  readonly at_ms: number;
  readonly prev: string;
  readonly hash: string;
  /** The line itself, without its newline. */
  readonly line: string;
}

/** A line taken apart. */
export interface ParsedLine extends SpooledRecord {
  readonly recordJson: string;
  readonly commit: string;
  readonly personalJson: string | undefined;
  /** Length of the part that `hash` covers. */
  readonly covered: number;
}

/** Of text as UTF-8, or of bytes; hex. */
export function sha256(text: string | Uint8Array): string {
  return digest('sha256', text, 'hex');
}

/** The personal part of a line whose text is this. */
export function sealedText(json: string): Sealed {
  return { closing: new Uint8Array(Buffer.from(`,"personal":${json}}\n`)), commit: sha256(json) };
}

/** Where a record stands in its spool. */
export interface LinePlace {
  readonly seq: number;
  readonly at_ms: number;
  readonly prev: string;
}

/** What every line of a spool begins with, as bytes. */
export function lineOpening(spool: string): Uint8Array {
  return new Uint8Array(Buffer.from(`{"v":1,"spool":"${spool}","seq":`));
}

/**
 * Writes the beginning of a record's line, up to its record. The whole line:
 * `{"v":1,"spool":..,"seq":..,"at":..,"prev":..,"record":{..},"commit":".."` + `,"hash":".."` + `,"personal":{..}` + `}`.
 * `hash` is SHA-256 over the exact bytes before it, which hold the previous line's hash.
 */
export function openLine(lines: Lines, opening: Uint8Array, { seq, at_ms, prev }: LinePlace): void {
  lines.put(opening);
  lines.number(seq);
  lines.letters(',"at":');
  lines.number(at_ms);
  lines.letters(',"prev":"');
  lines.letters(prev);
  lines.letters('","record":');
}

/** Writes the rest of a line that begins at `start`, and its newline, once the record is written; the line's hash. */
export function closeLine(lines: Lines, start: number, sealed: Sealed | undefined): string {
  lines.letters(',"commit":"');
  if (sealed !== undefined) lines.letters(sealed.commit);
  lines.letters('"');
  const hash = sha256(lines.bytes.subarray(start, lines.size));
  lines.letters(',"hash":"');
  lines.letters(hash);
  lines.letters('"');
  if (sealed !== undefined) lines.put(sealed.closing);
  else lines.letters('}\n');
  return hash;
}

const opening =
  /^\{"v":1,"spool":"([\w.-]{1,100})","seq":(0|[1-9]\d{0,15}),"at":(\d{1,16}),"prev":"([0-9a-f]{64})","record":\{/;
const closing = /^,"commit":"([0-9a-f]{64}|)","hash":"([0-9a-f]{64})"(?:,"personal":(\{.*\}))?\}$/s;

/**
 * Takes a line apart; undefined where it is not exactly of the form `closeLine` gives. Nothing is verified here.
 * Inside a record's strings quotes are escaped, and the personal part holds no such key, so the last `,"commit":"` is
 * the line's own.
 */
export function parseLine(line: string): ParsedLine | undefined {
  const start = opening.exec(line);
  if (start === null) return undefined;
  const covered = line.lastIndexOf(',"commit":"');
  if (covered < start[0].length) return undefined;
  const rest = closing.exec(line.slice(covered));
  if (rest === null) return undefined;
  const commit = rest[1] ?? '';
  return {
    spool: start[1] ?? '',
    seq: Number(start[2]),
    at_ms: Number(start[3]),
    prev: start[4] ?? '',
    hash: rest[2] ?? '',
    line,
    recordJson: line.slice(start[0].length - 1, covered),
    commit,
    personalJson: rest[3],
    covered: covered + `,"commit":"${commit}"`.length,
  };
}

/** `parseLine`; throws where the text is no record. */
export function parsedLine(text: string): ParsedLine {
  const line = parseLine(text);
  if (line === undefined) throw new Error('A job holds a line that is no record');
  return line;
}

/** Whether the line's hash and its commitment to the personal part hold. A dropped personal part is no breach. */
export function lineHolds(line: ParsedLine): boolean {
  if (sha256(line.line.slice(0, line.covered)) !== line.hash) return false;
  if (line.personalJson === undefined) return true;
  return line.commit !== '' && sha256(line.personalJson) === line.commit;
}

/** The line without its personal part: what erasing a person leaves. The chain still verifies. */
export function dropPersonal(line: ParsedLine): string {
  return line.personalJson === undefined ? line.line : `${line.line.slice(0, line.covered)},"hash":"${line.hash}"}`;
}

/** The public part of a record. */
export function recordOf(line: ParsedLine): AuditRecord {
  return JSON.parse(line.recordJson) as AuditRecord;
}

/** The same; undefined where a broken disk or somebody made it unreadable: the others are still searched, and verifying tells of it. */
export function readableRecord(line: ParsedLine): AuditRecord | undefined {
  try {
    const record = recordOf(line);
    return typeof record.caller === 'object' && typeof record.decision === 'object' ? record : undefined;
  } catch {
    return undefined;
  }
}
