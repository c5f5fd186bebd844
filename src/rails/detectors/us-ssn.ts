import { detector } from './detector.ts';

/** Numbers once printed in advertisements, void since (SSA, "Social Security Cards Issued by Woolworth"). */
const neverGiven = new Set(['078051120', '219099999', '123456789']);

/** Area not 000, 666 or 900 to 999; group not 00; serial not 0000 (SSA, number assignment rules). */
export function isSsn(text: string): boolean {
  const digits = text.replaceAll(/[ .-]/g, '');
  const area = digits.slice(0, 3);
  if (area === '000' || area === '666' || area.startsWith('9')) return false;
  if (digits.slice(3, 5) === '00' || digits.slice(5) === '0000') return false;
  return !neverGiven.has(digits);
}

/** With dashes anywhere; with spaces, dots or nothing between only after words that announce it. */
export const usSsn = detector({
  type: 'us_ssn',
  score: 0.9,
  ignoreCase: true,
  pattern:
    '(?:(?<![0-9A-Za-z.-])\\K[0-8][0-9]{2}-[0-9]{2}-[0-9]{4}(?![0-9A-Za-z])' +
    '|(?:ssn|social.security(?:.(?:number|no|num|nr))?)[^0-9A-Za-z]{0,4}(?:(?:is|are|was|of)[^0-9A-Za-z]{1,3})?' +
    '(?<![0-9A-Za-z])\\K[0-8][0-9]{2}[ .-]?[0-9]{2}[ .-]?[0-9]{4}(?![0-9A-Za-z]))',
  check: isSsn,
});
