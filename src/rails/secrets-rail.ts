import { patternRail } from './pattern-rail.ts';

/** Keys, tokens, private keys and credentials in addresses; a type for each family. */
export const secretsRail = patternRail('secrets');
