import type { Rail } from '../exchange/index.ts';

export const rails: readonly Rail[] = [];
export function railByName(name: string): Rail | undefined {
  return rails.find((rail) => rail.name === name);
}
/** Types of a rail that can be followed in a stream; none where the rail cannot. */
export function streamingTypes(railName: string): readonly string[] {
  return railName === '' ? [] : [];
}
