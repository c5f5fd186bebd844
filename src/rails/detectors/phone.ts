import { parsePhoneNumberFromString } from 'libphonenumber-js/min';
import { detector } from './detector.ts';

/** Not within a word, a number or a list of numbers. */
const left = '(?:^|[^0-9A-Za-z ._/+-]|(?:^|[^0-9]) |\\\\[nrt])\\K';
const extension = '(?: ?(?:x|ext\\.?) ?[0-9]{1,6})?(?![0-9])';

/** `+` and a country code; groups as people write them, `(0)` too. */
const international = '(?<![0-9A-Za-z+])\\K\\+[1-9](?:[ ./-]?(?:\\([0-9]{1,4}\\)[ .-]?)?[0-9]){6,14}';
/** The same with 00 or 001 dialled first, parted by something. */
const dialled = `${left}00[1-9][0-9]{0,2}(?:[ .-](?:\\(0\\))?[0-9]{1,4}){2,5}`;
/** North America: area code and exchange from 2 up, NXX-NXX-XXXX. */
const northAmerican =
  '(?<![0-9A-Za-z._/+-])\\K(?:1[ .-])?(?:\\([2-9][0-9]{2}\\)[ -]?[2-9][0-9]{2}[ .-]' +
  '|[2-9][0-9]{2}[.-][2-9][0-9]{2}[.-])[0-9]{4}';
const northAmericanSpaced = `${left}[2-9][0-9]{2} [2-9][0-9]{2} [0-9]{4}`;
/** A trunk zero and groups: most of Europe, Africa, Asia. */
const trunk = `${left}\\(?0[0-9]{1,4}\\)?(?:[ ./-][0-9]{2,8}){1,4}`;
/** Any groups, after words that announce a number. */
const announced =
  '(?<![A-Za-z])(?:(?:tele|cell|smart)?phone|tel|mobile|cell|fax|call|calling|dial|text|sms|whatsapp|contact|reach' +
  '|ring|desk|hotline|helpline|answering|messages? (?:to|on))[^0-9+(]{0,20}' +
  '(?<![0-9A-Za-z])\\K(?:\\([0-9]{2,4}\\)[ .-]?)?[0-9]{2,5}(?:[ ./-]{1,2}[0-9]{2,8}){0,5}';
const announcedRun = `(?<![A-Za-z])(?:(?:tele|cell)?phone|tel|mobile|cell|fax|call|dial|whatsapp|sms|desk)[^0-9+(]{0,20}(?<![0-9A-Za-z])\\K[0-9]{7,12}`;

/** Any groups before a word that says what number it was; the word and the sign before it are not the number's. */
const labelled =
  `${left}(?:\\([0-9]{2,4}\\)[ .-]?)?[0-9]{2,10}(?:[ .-][0-9]{2,5}){0,4}[ -]` +
  '(?:(?:office|mobile)(?![a-z])(?E7)|(?:home|work|cell)(?![a-z])(?E5)|fax(?![a-z])(?E4))';

const unlabelled = [international, dialled, northAmerican, northAmericanSpaced, trunk, announced, announcedRun];

/** Numbers of other kinds that come in groups: dates, ranges of years, round thousands. */
function looksOtherwise(text: string): boolean {
  const date = /^(\d{1,2})[./ -](\d{1,2})[./ -](?:(?:19|20)\d{2}|\d{2}$)/.exec(text);
  if (date !== null) {
    const [first, second] = [Number(date[1]), Number(date[2])];
    if (first <= 31 && second <= 31 && Math.min(first, second) <= 12) return true;
  }
  return (
    /^(?:19|20)\d{2}[./ -]+\d{1,2}[./ -]+\d{1,2}(?:$|\D)/.test(text) ||
    /^(?:19|20)\d{2}[./ -]+(?:19|20)\d{2}$/.test(text) ||
    /^\d{1,3}(?:[. ]\d{3})*[. ]000$/.test(text)
  );
}

/** International numbers must have a length their country knows (libphonenumber); others 7 to 12 digits and no date. */
export function isPhone(text: string): boolean {
  const number = text.replace(/ ?(?:x|ext\.?) ?\d{1,6}$/i, '');
  if (number.startsWith('+')) return parsePhoneNumberFromString(number)?.isPossible() ?? false;
  const digits = number.replaceAll(/\D/g, '');
  if (number.startsWith('00')) return parsePhoneNumberFromString(`+${digits.slice(2)}`)?.isPossible() ?? false;
  if (looksOtherwise(number)) return false;
  if (number.startsWith('0') || number.startsWith('(0')) return digits.length >= 9 && digits.length <= 12;
  return digits.length >= 7 && digits.length <= 12;
}

export const phone = detector({
  type: 'phone',
  score: 0.85,
  ignoreCase: true,
  pattern: `(?:(?:${unlabelled.join('|')})${extension}|${labelled})`,
  check: isPhone,
});
