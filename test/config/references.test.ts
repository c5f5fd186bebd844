import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { expandReferences } from '../../src/config/references.ts';

const directory = mkdtempSync(join(tmpdir(), 'references-'));
afterAll(() => rmSync(directory, { recursive: true }));

const expand = (text: string, env: Record<string, string> = {}) => expandReferences(text, { env, base: directory });
const name = fc.stringMatching(/^[A-Za-z_][A-Za-z0-9_]{0,8}$/);
/** Text without anything that could be read as a reference. */
const literal = fc.string({ unit: 'grapheme' }).filter((text) => !text.includes('$'));
const fallback = literal.filter((text) => !text.includes('}'));

describe('a reference', () => {
  it('leaves text without references as it stands', () => {
    fc.assert(
      fc.property(literal, (text) => {
        expect(expand(text)).toEqual({ text, referenced: false, bare: false, problems: [] });
      }),
    );
  });

  it('stands anywhere in a text, any number of times, and what it brings in is not looked at again', () => {
    const piece = fc.oneof(
      literal.map((text) => ({ source: text, value: text })),
      fc.record({ name, value: fc.string() }).map(({ name, value }) => ({ source: `\${${name}}`, value, name })),
    );
    fc.assert(
      fc.property(fc.uniqueArray(piece, { selector: (p) => ('name' in p ? p.name : p) }), (pieces) => {
        const env = Object.fromEntries(pieces.flatMap((p) => ('name' in p ? [[p.name, p.value]] : [])));
        const result = expand(pieces.map(({ source }) => source).join(''), env);
        expect(result.text).toBe(pieces.map(({ value }) => value).join(''));
        expect(result.problems).toEqual([]);
      }),
    );
  });

  it('takes its default where the variable is unset or empty, and only there', () => {
    fc.assert(
      fc.property(name, fallback, fc.string({ minLength: 1 }), (variable, other, value) => {
        const text = `\${${variable}:-${other}}`;
        expect(expand(text).text).toBe(other);
        expect(expand(text, { [variable]: '' }).text).toBe(other);
        expect(expand(text, { [variable]: value }).text).toBe(value);
      }),
    );
  });

  it('is written as text with two dollars, so that any text can be said', () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom('$', '{', '}', 'a', '\n') }), (text) => {
        const escaped = text.replaceAll(`\${`, () => `$\${`);
        fc.pre(!escaped.replaceAll(`$\${`, '').includes(`\${`));
        expect(expand(escaped)).toMatchObject({ text, problems: [], referenced: false });
      }),
    );
    expect(expand(`$\${A} \${A}`, { A: '1' }).text).toBe(`\${A} 1`);
  });

  it('never throws, whatever the text, and says what is wrong', () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom('$', '{', '}', ':', '-', 'A', ' ', 'file:') }), (text) => {
        const { problems } = expand(text, { A: 'x' });
        expect(Array.isArray(problems)).toBe(true);
      }),
    );
    expect(expand(`\${UNSET}`).problems).toEqual(['the environment variable UNSET is not set']);
    expect(expand(`\${A`, { A: 'x' }).problems).toEqual([expect.stringContaining('not closed')]);
    expect(expand(`\${}`).problems).toEqual([expect.stringContaining('not a reference')]);
    expect(expand(`\${A B}`).problems).toEqual([expect.stringContaining('not a reference')]);
    expect(expand(`\${A:-\${B}}`).problems).toContain('a reference inside a reference is not supported');
    expect(expand(`\${constructor}`).problems).toEqual(['the environment variable constructor is not set']);
  });

  it('reads a file without its last line break', () => {
    writeFileSync(join(directory, 'secret'), 'from a file\n');
    expect(expand(`\${file:secret}`)).toEqual({ text: 'from a file', referenced: true, bare: true, problems: [] });
    expect(expand(`<\${file:${join(directory, 'secret')}}>`)).toMatchObject({ text: '<from a file>', bare: false });
    expect(expand(`\${file:absent}`).problems).toEqual(['the file absent cannot be read (ENOENT)']);
    writeFileSync(join(directory, 'large'), 'x'.repeat(70_000));
    expect(expand(`\${file:large}`).problems).toEqual(['the file large is larger than 65536 bytes']);
  });

  it('knows whether all of a text came through one reference', () => {
    const env = { A: 'x' };
    expect(expand(`\${A}`, env).bare).toBe(true);
    expect(expand(`\${A:-}`, env).bare).toBe(true);
    for (const text of [`\${A:-y}`, `a\${A}`, `\${A}\${A}`, 'A']) expect(expand(text, env).bare, text).toBe(false);
  });
});
