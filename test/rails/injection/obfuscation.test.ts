import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Finding } from '../../../src/exchange/index.ts';
import { injectionRail } from '../../../src/rails/injection/index.ts';
import { attacks, harmless } from './sentences.ts';

function measure(text: string): readonly Finding[] {
  const measured = injectionRail.measure({ text, role: 'user', channel: 'content', path: [], message: 0 });
  expect(measured.outcome).not.toBe('unable');
  return measured.outcome === 'findings' ? measured.findings : [];
}

const bytes = (text: string): readonly number[] => [...Buffer.from(text)];
const code = (c: string): number => c.charCodeAt(0);
const letters = (text: string, move: (place: number) => number): string =>
  text
    .replace(/[a-z]/g, (c) => String.fromCharCode(97 + move(code(c) - 97)))
    .replace(/[A-Z]/g, (c) => String.fromCharCode(65 + move(code(c) - 65)));
const alike: Readonly<Record<string, string>> = { a: 'а', c: 'с', e: 'е', i: 'і', o: 'о', p: 'р', s: 'ѕ', x: 'х' };
const leet: Readonly<Record<string, string>> = { a: '4', e: '3', i: '1', o: '0', s: '5', t: '7' };
const base32 = (text: string): string =>
  (
    bytes(text)
      .map((b) => b.toString(2).padStart(8, '0'))
      .join('')
      .match(/.{1,5}/g) ?? []
  )
    .map((five) => 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'.charAt(Number.parseInt(five.padEnd(5, '0'), 2)))
    .join('');

/** How a text is hidden, and the finding that tells of it. */
const disguises: Readonly<Record<string, readonly [hide: (text: string) => string, type: string]>> = {
  base64: [(t) => Buffer.from(t).toString('base64'), 'obfuscated_base64'],
  'base64 in base64': [(t) => Buffer.from(Buffer.from(t).toString('base64')).toString('base64'), 'obfuscated_base64'],
  'base64 amid prose': [(t) => `Here is my note: ${Buffer.from(t).toString('base64')} Cheers.`, 'obfuscated_base64'],
  base32: [base32, 'obfuscated_base32'],
  hex: [(t) => Buffer.from(t).toString('hex'), 'obfuscated_hex'],
  'hex with spaces': [
    (t) =>
      bytes(t)
        .map((b) => b.toString(16).padStart(2, '0'))
        .join(' '),
    'obfuscated_hex',
  ],
  binary: [
    (t) =>
      bytes(t)
        .map((b) => b.toString(2).padStart(8, '0'))
        .join(' '),
    'obfuscated_binary',
  ],
  'percent escapes': [
    (t) =>
      bytes(t)
        .map((b) => `%${b.toString(16).padStart(2, '0')}`)
        .join(''),
    'obfuscated_url',
  ],
  'percent escapes twice': [
    (t) => encodeURIComponent(encodeURIComponent(t).replace(/[a-z]/g, (c) => `%${code(c).toString(16)}`)),
    'obfuscated_url',
  ],
  'quoted-printable': [
    (t) =>
      bytes(t)
        .map((b) => `=${b.toString(16).toUpperCase().padStart(2, '0')}`)
        .join(''),
    'obfuscated_quoted_printable',
  ],
  'character references': [(t) => [...t].map((c) => `&#${c.codePointAt(0)};`).join(''), 'obfuscated_escapes'],
  'backslash escapes': [
    (t) => [...t].map((c) => `\\u${code(c).toString(16).padStart(4, '0')}`).join(''),
    'obfuscated_escapes',
  ],
  rot13: [(t) => letters(t, (place) => (place + 13) % 26), 'obfuscated_rot13'],
  'letters moved by three': [(t) => letters(t, (place) => (place + 3) % 26), 'obfuscated_caesar'],
  atbash: [(t) => letters(t, (place) => 25 - place), 'obfuscated_atbash'],
  'written backwards': [(t) => [...t].reverse().join(''), 'obfuscated_reversed'],
  'digits for letters': [(t) => t.replace(/[aeiost]/g, (c) => leet[c] ?? c), 'obfuscated_leet'],
  'spaces between letters': [(t) => [...t].join(' '), 'obfuscated_letters_apart'],
  'dots between letters': [
    (t) =>
      t
        .split(' ')
        .map((word) => [...word].join('.'))
        .join(' '),
    'obfuscated_letters_apart',
  ],
  'dashes between letters': [
    (t) =>
      t
        .split(' ')
        .map((word) => [...word].join('-'))
        .join(' '),
    'obfuscated_letters_apart',
  ],
  'zero-width characters': [(t) => [...t].join('\u200b'), 'obfuscated_invisible'],
  'soft hyphens': [(t) => [...t].join('\u00ad'), 'obfuscated_invisible'],
  'direction marks': [(t) => [...t].join('\u202e'), 'obfuscated_invisible'],
  'stacked marks': [(t) => [...t].map((c) => `${c}\u0336\u0348`).join(''), 'obfuscated_marks'],
  'full width': [(t) => t.replace(/[!-~]/g, (c) => String.fromCharCode(code(c) + 0xfee0)), 'obfuscated_lettering'],
  'mathematical letters': [
    (t) => t.replace(/[a-z]/g, (c) => String.fromCodePoint(0x1d41a + code(c) - 97)),
    'obfuscated_lettering',
  ],
  'letters in circles': [
    (t) => t.replace(/[a-z]/g, (c) => String.fromCodePoint(0x24d0 + code(c) - 97)),
    'obfuscated_lettering',
  ],
  'letters of other scripts': [(t) => t.replace(/[aceiopsx]/g, (c) => alike[c] ?? c), 'obfuscated_lookalikes'],
  'tag characters': [
    (t) => `Hi.${[...t].map((c) => String.fromCodePoint(0xe0000 + code(c))).join('')}`,
    'tag_smuggling',
  ],
  'variation selectors': [
    (t) =>
      `Hi 😀${bytes(t)
        .map((b) => String.fromCodePoint(b < 16 ? 0xfe00 + b : 0xe00f0 + b))
        .join('')}`,
    'variation_smuggling',
  ],
  'bits of invisible characters': [
    (t) =>
      `Hi${bytes(t)
        .map((b) => b.toString(2).padStart(8, '0').replace(/0/g, '\u2062').replace(/1/g, '\u2064'))
        .join('')}`,
    'zero_width_smuggling',
  ],
};

// The sentences in plain ASCII: disguises of letters are made for them.
const clean = [
  ...(attacks.override_instructions ?? []).slice(0, 7),
  ...(attacks.reveal_prompt ?? []).slice(0, 5),
  ...(attacks.jailbreak_persona ?? []),
];

describe.each(Object.entries(disguises))('an attack hidden by %s', (_name, [hide, type]) => {
  it('keeps its verdict', () => {
    fc.assert(
      fc.property(fc.constantFrom(...clean), (sentence) => {
        const open = measure(sentence).map((finding) => finding.type);
        const hidden = measure(hide(sentence));
        expect(hidden.map((finding) => finding.type)).toEqual(expect.arrayContaining([type]));
        expect(hidden.some((finding) => open.includes(finding.type))).toBe(true);
      }),
      { numRuns: 40 },
    );
  });

  it('points into the passage', () => {
    const hidden = hide(clean[0] ?? '');
    for (const finding of measure(`So: ${hidden}`)) {
      expect(finding.start).toBeGreaterThanOrEqual(0);
      expect(finding.end).toBeGreaterThan(finding.start);
      expect(finding.end).toBeLessThanOrEqual(hidden.length + 4);
    }
  });

  it('is the attack, not the disguise: harmless sentences stay clear', () => {
    if (type.endsWith('_smuggling')) return;
    for (const sentence of harmless.slice(0, 40)) expect(measure(hide(sentence))).toEqual([]);
  });
});

describe('hidden characters', () => {
  it('are a finding even where they say nothing known', () => {
    const hidden = [...'blue bicycle'].map((c) => String.fromCodePoint(0xe0000 + code(c))).join('');
    expect(measure(`Nice day.${hidden}`).map((finding) => finding.type)).toEqual(['tag_smuggling']);
  });

  it('are not suspected in flags, emoji, family emoji and Persian', () => {
    const england = `🏴${[...'gbeng'].map((c) => String.fromCodePoint(0xe0000 + code(c))).join('')}\u{e007f}`;
    expect(measure(`${england} ❤️ ☀️ 👩‍👩‍👧‍👦 1️⃣ می‌خواهم بدانم`)).toEqual([]);
  });
});
