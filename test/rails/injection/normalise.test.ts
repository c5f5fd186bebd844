import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { normalise } from '../../../src/rails/injection/index.ts';

const anyText = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 200 }),
  fc.string({ unit: 'grapheme', maxLength: 200 }),
  fc.string({
    unit: fc.constantFrom(
      'a',
      'B',
      ' ',
      'а',
      'с',
      'р',
      'ш',
      'ł',
      'é',
      'ﷺ',
      '\u0301',
      '\u200b',
      'ᴀ',
      'İ',
      'ǆ',
      '\ud800',
      '𝐚',
      'ａ',
      '한',
      'が',
    ),
    maxLength: 60,
  }),
);

describe('normalise', () => {
  it.each([
    ['ＩＧＮＯＲＥ', 'ignore'],
    ['𝓲𝓰𝓷𝓸𝓻𝓮', 'ignore'],
    ['ⓘⓖⓝⓞⓡⓔ', 'ignore'],
    ['i\u200bg\u00adn\u2060o\u202er\ufeffe', 'ignore'],
    ['ignоrе', 'ignore'],
    ['ıgnøre', 'ignore'],
    ['i\u0336g\u0336n\u0336o\u0336r\u0336e\u0336', 'ignore'],
    ['Café Crème', 'cafe creme'],
    ['ﬁle №5', 'file no5'],
  ])('reads %s as %s', (written, read) => {
    expect(normalise(written).text).toBe(read);
  });

  it('leaves honest Russian and Greek in their own letters', () => {
    expect(normalise('Расскажи о погоде').text).toBe('расскажи о погоде');
    expect(normalise('καλημερα κοσμε').text).toBe('καλημερα κοσμε');
  });

  it('changes nothing the second time', () => {
    fc.assert(
      fc.property(anyText, (text) => {
        const once = normalise(text).text;
        expect(normalise(once).text).toBe(once);
      }),
      { numRuns: 2000 },
    );
  });

  it('knows for each unit where it came from, in order', () => {
    fc.assert(
      fc.property(anyText, (text) => {
        const { at, length } = normalise(text);
        for (let i = 0; i < length; i++) {
          expect(at[i]).toBeLessThan(text.length);
          expect(at[i]).toBeLessThanOrEqual(at[i + 1] ?? -1);
        }
        expect(at[length]).toBe(text.length);
      }),
      { numRuns: 500 },
    );
  });
});
