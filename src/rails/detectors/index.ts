import { card } from './card.ts';
import type { Detector } from './detector.ts';
import { email } from './email.ts';
import { iban } from './iban.ts';
import { ip } from './ip.ts';
import { phone } from './phone.ts';
import { secrets } from './secrets.ts';
import { usSsn } from './us-ssn.ts';

export type { Detector } from './detector.ts';

/** What checks prove stands before what only looks right: the order in which findings that overlap are kept. */
const pii: readonly Detector[] = [card, iban, usSsn, ip, email, phone];

const byRail: ReadonlyMap<string, readonly Detector[]> = new Map([
  ['pii', pii],
  ['secrets', secrets],
]);

/** The detectors of a rail that works by patterns; none where it does not. */
export function detectorsOf(rail: string): readonly Detector[] {
  return byRail.get(rail) ?? [];
}
