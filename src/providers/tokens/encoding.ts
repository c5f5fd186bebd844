/** Tokenisers whose tables are public and that we count with exactly. */
export const encodingNames = ['o200k_base', 'cl100k_base'] as const;
export type EncodingName = (typeof encodingNames)[number];

/** No token of either table is longer; a longer run of bytes is looked at no further. */
export const tokenBytesMax = 128;
