import type { PackedWeights } from './model.ts';
export const weights: PackedWeights = { bias: 0, scale: 0, cells: '' };
