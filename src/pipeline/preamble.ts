import type { Decision } from '../policy/index.ts';

/** Marks a provider puts around a message of its own. */
const marks = 16;

/** Most tokens of the text that rules put before a request: a tokeniser never makes more tokens than bytes. */
export function preambleTokensMax({ modifications: { prependSystem } }: Decision): number {
  return prependSystem === undefined ? 0 : Buffer.byteLength(prependSystem) + marks;
}
