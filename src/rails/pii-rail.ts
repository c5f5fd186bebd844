import { patternRail } from './pattern-rail.ts';

/** Personal data told by shape and check: cards, IBANs, US social security numbers, IP addresses, e-mail, phones. */
export const piiRail = patternRail('pii');
