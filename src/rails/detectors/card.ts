import { detector } from './detector.ts';

/** ISO/IEC 7812-1 annex B: from the right, every second digit doubled; the digits' sum divides by ten. */
export function luhn(digits: string): boolean {
  let sum = 0;
  for (let i = 0; i < digits.length; i += 1) {
    const digit = digits.charCodeAt(digits.length - 1 - i) - 0x30;
    const doubled = digit * 2;
    sum += i % 2 === 0 ? digit : doubled > 9 ? doubled - 9 : doubled;
  }
  return sum % 10 === 0;
}

/** Ranges of first digits (both ends filled to the same length) with the lengths their issuers use. */
const issuers: readonly (readonly [first: string, last: string, lengths: readonly number[]])[] = [
  ['4', '4', [13, 16, 19]],
  ['51', '55', [16]],
  ['2221', '2720', [16]],
  ['34', '34', [15]],
  ['37', '37', [15]],
  ['300', '305', [14, 16, 17, 18, 19]],
  ['3095', '3095', [14, 16, 17, 18, 19]],
  ['36', '36', [14, 16, 17, 18, 19]],
  ['38', '39', [14, 16, 17, 18, 19]],
  // Wider than what JCB issues (3528 to 3589), as makers of sample data have it.
  ['35', '35', [16]],
  ['3528', '3589', [17, 18, 19]],
  ['1800', '1800', [15]],
  ['2131', '2131', [15]],
  ['6011', '6011', [16, 17, 18, 19]],
  ['644', '659', [16, 17, 18, 19]],
  ['60', '60', [16]],
  ['62', '62', [16, 17, 18, 19]],
  ['5018', '5018', [12, 13, 14, 15, 16, 17, 18, 19]],
  ['5020', '5020', [12, 13, 14, 15, 16, 17, 18, 19]],
  ['5038', '5038', [12, 13, 14, 15, 16, 17, 18, 19]],
  ['56', '58', [12, 13, 14, 15, 16, 17, 18, 19]],
  ['6304', '6304', [12, 13, 14, 15, 16, 17, 18, 19]],
  ['6759', '6759', [12, 13, 14, 15, 16, 17, 18, 19]],
  ['6761', '6763', [12, 13, 14, 15, 16, 17, 18, 19]],
];

/** A number an issuer could have given out. */
export function isCard(text: string): boolean {
  let digits = '';
  for (const char of text) if (char >= '0' && char <= '9') digits += char;
  // Runs of one digit can pass the sum.
  if (!luhn(digits) || digits === digits.charAt(0).repeat(digits.length)) return false;
  return issuers.some(([first, last, lengths]) => lengths.includes(digits.length) && within(digits, first, last));
}

function within(digits: string, first: string, last: string): boolean {
  const head = digits.slice(0, first.length);
  return head >= first && head <= last;
}

/** The first four digits of the ranges above. */
const head = '(?:1800|2131|22[2-9][0-9]|2[3-7][0-9]{2}|3[04-9][0-9]{2}|4[0-9]{3}|5[0-8][0-9]{2}|6[0-9]{3})';

/**
 * Payment card numbers, in one run or in the groups cards are printed in (4-4-4-4, 4-6-5, 4-6-4, 4-3-3-3, 6-13) with a
 * space or dash between, so that lists of numbers are none.
 */
export const card = detector({
  type: 'card',
  score: 0.95,
  pattern:
    `(?<![0-9A-Za-z.])${head}(?:[0-9]{8,15}|(?:[ -][0-9]{4}){2}(?:[ -][0-9]{1,4}(?:[ -]?[0-9]{1,3})?)?` +
    '|[ -][0-9]{6}[ -][0-9]{4,5}|(?:[ -][0-9]{3}){3}|[0-9]{2}[ -][0-9]{13})(?![0-9A-Za-z])',
  check: isCard,
});
