import { page_bytes } from './bounds.ts';

/** All that can change in an instance beside its memory, as exports of it. */
export interface Rewind {
  /** Names of its mutable globals. */
  readonly globals: readonly string[];
  /** Name of its table of functions, where it has one. */
  readonly table: string | undefined;
}

/** Copying more memory than this takes longer than a new instance. */
const memory_bytes_max = 8 * page_bytes;
/** Entries of a table that are compared after each evaluation. */
const entries_max = 256;

const section = { table: 4, memory: 5, global: 6, exports: 7, elements: 9, data: 11 } as const;
/** i32, i64, f32, f64: what can be read and written from outside. */
const numeric = [0x7f, 0x7e, 0x7d, 0x7c];
const funcref = 0x70;

/** Reads a valid module's bytes. */
class Bytes {
  readonly bytes: Uint8Array;
  at: number;

  constructor(bytes: Uint8Array, at = 0) {
    this.bytes = bytes;
    this.at = at;
  }

  byte(): number {
    return this.bytes[this.at++] ?? 0;
  }

  /** An unsigned LEB128 of at most 53 bits. */
  number(): number {
    let value = 0;
    for (let factor = 1; ; factor *= 128) {
      const byte = this.byte();
      value += (byte & 127) * factor;
      if (byte < 128) return value;
    }
  }

  /** Passes over a constant expression; false for one of a kind not known here. */
  constant(): boolean {
    for (;;) {
      switch (this.byte()) {
        case 0x0b:
          return true;
        case 0x41:
        case 0x42:
        case 0x23:
        case 0xd0:
        case 0xd2:
          this.number();
          break;
        case 0x43:
          this.at += 4;
          break;
        case 0x44:
          this.at += 8;
          break;
        default:
          return false;
      }
    }
  }
}

interface Section {
  readonly id: number;
  /** From its id to its end. */
  readonly from: number;
  readonly to: number;
  /** Where its content begins. */
  readonly content: number;
}

function sectionsOf(bytes: Uint8Array): readonly Section[] {
  const found: Section[] = [];
  const reading = new Bytes(bytes, 8);
  while (reading.at < bytes.length) {
    const from = reading.at;
    const id = reading.byte();
    const size = reading.number();
    found.push({ id, from, content: reading.at, to: reading.at + size });
    reading.at += size;
  }
  return found;
}

/** The one memory a valid module declares: pages at first and at most. */
function memoryOf(
  bytes: Uint8Array,
): { readonly first: number; readonly most: number; readonly plain: boolean } | undefined {
  const declared = sectionsOf(bytes).find(({ id }) => id === section.memory);
  if (declared === undefined) return undefined;
  const reading = new Bytes(bytes, declared.content);
  if (reading.number() !== 1) return undefined;
  const flags = reading.number();
  const first = reading.number();
  return (flags & 1) === 1 ? { first, most: reading.number(), plain: flags === 1 } : undefined;
}

/** The declared maximum of a valid module's memory, which no interface of the platform tells; undefined without one. */
export function memoryPages(bytes: Uint8Array): number | undefined {
  return memoryOf(bytes)?.most;
}

/**
 * A valid module that imports nothing, with what can change in its instances exported beside what it exports itself, so
 * that an instance can be put back to how it was. Undefined where there may be more that changes than can be seen from
 * outside: segments that can be dropped, tables and globals of references, a memory that takes longer to copy than an
 * instance to make.
 */
export function rewindable(bytes: Uint8Array): { readonly bytes: Uint8Array; readonly rewind: Rewind } | undefined {
  const memory = memoryOf(bytes);
  if (memory === undefined || !memory.plain || memory.first * page_bytes > memory_bytes_max) return undefined;
  const sections = sectionsOf(bytes);
  const contentOf = (id: number): Bytes | undefined => {
    const found = sections.find((one) => one.id === id);
    return found === undefined ? undefined : new Bytes(bytes, found.content);
  };
  const tables = tablesIn(contentOf(section.table));
  const globals = mutableIn(contentOf(section.global));
  const exported = sections.find(({ id }) => id === section.exports);
  const fixed = plainElements(contentOf(section.elements)) && plainData(contentOf(section.data));
  if (tables === undefined || globals === undefined || exported === undefined || !fixed) return undefined;
  const names = globals.map((index) => ({ name: `rewind global ${index}`, kind: 3, index }));
  const table = tables > 0 ? [{ name: 'rewind table', kind: 1, index: 0 }] : [];
  const rewind = { globals: names.map(({ name }) => name), table: table[0]?.name };
  return { bytes: withExports(bytes, exported, [...names, ...table]), rewind };
}

/** How many tables there are, 0 or 1, of functions and small; undefined for others. */
function tablesIn(reading: Bytes | undefined): number | undefined {
  if (reading === undefined) return 0;
  const count = reading.number();
  if (count === 0) return 0;
  if (count > 1 || reading.byte() !== funcref) return undefined;
  reading.number();
  return reading.number() <= entries_max ? 1 : undefined;
}

/** Indices of the globals that can change; undefined where one is no number. */
function mutableIn(reading: Bytes | undefined): readonly number[] | undefined {
  const found: number[] = [];
  const count = reading?.number() ?? 0;
  for (let index = 0; index < count; index++) {
    if (reading === undefined || !numeric.includes(reading.byte())) return undefined;
    if (reading.byte() === 1) found.push(index);
    if (!reading.constant()) return undefined;
  }
  return found;
}

/** Whether all elements are put into the table at the start, so that none is left to be used or dropped later. */
function plainElements(reading: Bytes | undefined): boolean {
  const count = reading?.number() ?? 0;
  for (let index = 0; index < count; index++) {
    if (reading === undefined || reading.number() !== 0 || !reading.constant()) return false;
    for (let left = reading.number(); left > 0; left--) reading.number();
  }
  return true;
}

/** The same of data. */
function plainData(reading: Bytes | undefined): boolean {
  const count = reading?.number() ?? 0;
  for (let index = 0; index < count; index++) {
    if (reading === undefined || reading.number() !== 0 || !reading.constant()) return false;
    const size = reading.number();
    reading.at += size;
  }
  return true;
}

function withExports(
  bytes: Uint8Array,
  { from, to, content }: Section,
  added: readonly { readonly name: string; readonly kind: number; readonly index: number }[],
): Uint8Array {
  const reading = new Bytes(bytes, content);
  const count = reading.number();
  const entries = added.flatMap(({ name, kind, index }) => [
    ...leb(name.length),
    ...new TextEncoder().encode(name),
    kind,
    ...leb(index),
  ]);
  const whole = joined(
    Uint8Array.from(leb(count + added.length)),
    bytes.subarray(reading.at, to),
    Uint8Array.from(entries),
  );
  return joined(
    bytes.subarray(0, from),
    Uint8Array.from([section.exports, ...leb(whole.length)]),
    whole,
    bytes.subarray(to),
  );
}

function joined(...parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

function leb(value: number): readonly number[] {
  const low = value & 127;
  return value < 128 ? [low] : [low | 128, ...leb(value >>> 7)];
}
