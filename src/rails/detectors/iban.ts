import { detector } from './detector.ts';

/** Length of an IBAN by country, SWIFT IBAN registry (release 99). */
const lengths: Readonly<Record<number, string>> = {
  15: 'NO',
  16: 'BE',
  18: 'DK FI FO GL NL SD FK',
  19: 'MK SI',
  20: 'AT BA EE KZ LT LU MN XK',
  21: 'CH HR LI LV',
  22: 'BG BH CR DE GB GE IE ME RS VA',
  23: 'AE GI IL IQ OM SO TL',
  24: 'AD CZ ES MD PK RO SA SE SK TN VG',
  25: 'LY PT ST',
  26: 'IS TR',
  27: 'BI DJ FR GR IT MC MR SM',
  28: 'AL AZ BY CY DO GT HN HU LB NI PL SV',
  29: 'BR EG PS QA UA',
  30: 'JO KW MU YE',
  31: 'MT SC',
  32: 'LC',
  33: 'RU',
};

/** ISO 13616: the first four characters moved to the end, letters as 10 to 35; the number leaves 1 by 97. */
export function isIban(text: string): boolean {
  const plain = text.replaceAll(/[ -]/g, '').toUpperCase();
  let rest = 0;
  for (const char of plain.slice(4) + plain.slice(0, 4)) {
    const value = Number.parseInt(char, 36);
    if (Number.isNaN(value)) return false;
    rest = (rest * (value > 9 ? 100 : 10) + value) % 97;
  }
  return rest === 1;
}

export const iban = detector({
  type: 'iban',
  score: 0.99,
  ignoreCase: true,
  pattern: `(?<![0-9A-Za-z])(?:${Object.entries(lengths)
    .map(
      ([length, countries]) => `(?:${countries.replaceAll(' ', '|')})[0-9]{2}(?:[ -]?[0-9A-Z]){${Number(length) - 4}}`,
    )
    .join('|')})(?![0-9A-Za-z])`,
  check: isIban,
});
