import type { Usage } from '../../exchange/index.ts';

/** Kinds of tokens as usage names them, and as metrics do. */
export const tokenKinds = [
  ['input', 'input'],
  ['output', 'output'],
  ['cacheRead', 'cache_read'],
  ['cacheWrite', 'cache_write'],
  ['reasoning', 'reasoning'],
  ['audioInput', 'audio_input'],
  ['audioOutput', 'audio_output'],
] as const satisfies readonly (readonly [keyof Usage, string])[];

/** A kind of token that is counted, as usage names it. */
export type TokenKind = (typeof tokenKinds)[number][0];
