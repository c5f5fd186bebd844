import { readdirSync, readFileSync } from 'node:fs';
import fc from 'fast-check';
import { Tiktoken } from 'js-tiktoken/lite';
import cl100k from 'js-tiktoken/ranks/cl100k_base';
import o200k from 'js-tiktoken/ranks/o200k_base';
import { beforeAll, describe, expect, test } from 'vitest';
import { countTokens } from '../../../src/providers/tokens/count.ts';
import { loadTable } from '../../../src/providers/tokens/load-table.ts';
import { RankTable } from '../../../src/providers/tokens/rank-table.ts';

/**
 * Text of every kind the patterns tell apart. U+0085 and U+FEFF are left out: the oracle's engine (JavaScript) takes them
 * for white space where the tokenisers' own does not, or the other way round; they have a test of their own.
 */
const kinds: readonly fc.Arbitrary<string>[] = [
  fc.constantFrom(' ', '  ', '\n', '\r\n', '\t', '\u00a0', '\u3000', '\u2028', ' \n ', '\n\n\n', '   x'),
  fc.constantFrom("'s", "'T", "'re", "'VE", "'ll", "'", "'x", "'lL", "''d", "'ſ"),
  fc.constantFrom('/', '//', '!/\n/', '({[', '…', '—', '%%', '$', '<|endof', '=>', '\u0000', '\u200d', '\ud800', '�'),
  fc.constantFrom('0', '12', '123', '1234567', '٣', 'Ⅷ', '½', '¹'),
  fc.constantFrom('A', 'HTTPServer', 'getName', 'iOS', 'ǅ', 'Hello', 'WORLD', 'x', 'straße', 'É', 'CamelCASEword'),
  fc.constantFrom(
    '你好',
    'こんにちは',
    '한국어',
    'العربية',
    'हिन्दी',
    'ไทย',
    'עברית',
    'Ελλάδα',
    'Россия',
    'ʰ',
    'ª',
    'ꟲ',
  ),
  fc.constantFrom('́', '\u0300\u0301', '\u20e3', '\ufe0f', 'e\u0301', 'A\u0301B', '\u0301A', '!\u0301', ' \u0301'),
  fc.constantFrom('😀', '👩‍👩‍👧‍👦', '🇩🇪', '🏳️‍🌈', '𝒜𝓑', '𐐀𐐨', '𓀀'),
  fc.string({ unit: 'binary', maxLength: 6 }),
  fc.string({ unit: 'grapheme', maxLength: 6 }),
  fc.nat(80).map((length) => 'a'.repeat(length)),
  fc.nat(60).map((length) => ' '.repeat(length)),
];
const text = fc
  .array(fc.oneof(...kinds), { maxLength: 14 })
  .map((pieces) => pieces.join('').replaceAll(/[\u0085\ufeff]/g, '_'));

describe.each([
  ['o200k_base', o200k],
  ['cl100k_base', cl100k],
] as const)('tokens of %s', (encoding, ranks) => {
  const oracle = new Tiktoken(ranks);
  const wanted = (given: string) => oracle.encode(given, [], []).length;
  let table: RankTable;
  const counted = (given: string) => countTokens(table, encoding, given);
  beforeAll(async () => {
    table = await loadTable(encoding);
  });

  test('are those of the published encoder for texts of every kind', () => {
    fc.assert(
      fc.property(text, (given) => {
        expect(counted(given)).toBe(wanted(given));
      }),
      { numRuns: 3000 },
    );
  });

  test('are those of the published encoder for every single code point between two letters', () => {
    const step = 7;
    for (let start = 0; start < 0x30000; start += step * 40) {
      let line = '';
      for (let at = start; at < start + step * 40; at += step) {
        if (at === 0x85 || at === 0xfeff) continue;
        line += `a${String.fromCodePoint(at)}B ${String.fromCodePoint(at)}`;
      }
      expect([start, counted(line)]).toEqual([start, wanted(line)]);
    }
  });

  test('are those of the published encoder for documents, code and recordings', () => {
    const root = new URL('../../../', import.meta.url);
    const files = [
      'README.md',
      'package.json',
      ...readdirSync(new URL('docs/', root)).map((name) => `docs/${name}`),
      ...readdirSync(new URL('src/pipeline/', root)).map((name) => `src/pipeline/${name}`),
      ...readdirSync(new URL('providers/', root)).map((name) => `providers/${name}`),
    ];
    for (const file of files) {
      const given = readFileSync(new URL(file, root), 'utf8');
      expect([file, counted(given)]).toEqual([file, wanted(given)]);
    }
  });

  test('are those of the published encoder for words longer than any token, where a heap does the merging', () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom('a', 'b', 'ab', 'the', 'é', '你', 'ing'), { maxLength: 160 }), (letters) => {
        const given = letters.join('');
        expect(counted(given)).toBe(wanted(given));
      }),
      { numRuns: 300 },
    );
  });

  test('of hostile texts are counted at all: the published encoder takes time by the square of these', () => {
    for (const one of ['a', '😀', ' ', '\n', '!', '́', 'A', "'s", '你', 'aB', '!\n']) {
      const given = one.repeat(100_000);
      expect(counted(given)).toBeGreaterThan(0);
      expect(counted(given)).toBeLessThanOrEqual(Buffer.byteLength(given));
    }
  });

  test('of a table in shared memory are the same', () => {
    const shared = new RankTable(structuredClone(table.memory));
    expect(shared.memory.bytes.buffer).toBeInstanceOf(SharedArrayBuffer);
    expect(countTokens(shared, encoding, 'Hello, world!')).toBe(wanted('Hello, world!'));
  });

  test('stop being counted when it is too late', () => {
    expect(countTokens(table, encoding, 'word '.repeat(5000), () => true)).toBeUndefined();
    expect(countTokens(table, encoding, 'a'.repeat(50_000), () => true)).toBeUndefined();
  });

  test('take U+0085 for white space and U+FEFF for none, as the engine does that the tokenisers run on', () => {
    // Before a word the last white space is left to it: one piece of two, or two of one.
    expect(counted('!\u0085\u0085x')).toBe(1 + counted('\u0085')! + counted('\u0085x')!);
    // Behind a blank, what is no white space is one piece with it.
    expect(counted(' \ufeff!')).toBe(counted(' \ufeff')! + 1);
    expect(counted('\ufeff \ufeff')).toBe(counted('\ufeff')! + counted(' \ufeff')!);
  });
});
