import type { Rail } from '../exchange/index.ts';
import { detectorsOf } from './detectors/index.ts';
import { injectionRail } from './injection/index.ts';
import { piiRail } from './pii-rail.ts';
import { secretsRail } from './secrets-rail.ts';

/** What is in the box. A new rail is one file and one line here. */
export const rails: readonly Rail[] = [piiRail, secretsRail, injectionRail];

export function railByName(name: string): Rail | undefined {
  return rails.find((rail) => rail.name === name);
}

/** The types of a rail the streaming matcher can follow; none where the rail cannot be followed in a stream. */
export function streamingTypes(railName: string): readonly string[] {
  return [...new Set(detectorsOf(railName).map((detector) => detector.type))];
}
