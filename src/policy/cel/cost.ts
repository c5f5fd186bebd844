/** Bounds on what an expression may cost. A step is about the work of one operator. */
export const costLimits = {
  /** A list or map of which nothing is known is taken to have this many elements. */
  assumedLength: 1_000,
  /** Steps an expression may take by the estimate made when it is loaded. */
  estimated: 1_000_000,
  /** Steps it may take when it runs. */
  steps: 1_000_000,
} as const;

const dear: Readonly<Record<string, number>> = {
  matches: 100,
  format: 50,
  replace: 50,
  split: 50,
  join: 50,
  contains: 10,
  indexOf: 10,
  lastIndexOf: 10,
  distinct: 1_000,
  sort: 1_000,
  flatten: 1_000,
  'sets.contains': 1_000,
  'sets.equivalent': 1_000,
  'sets.intersects': 1_000,
  'base64.encode': 50,
  'base64.decode': 50,
  timestamp: 10,
  duration: 10,
};

/** Steps of a call, without its arguments. */
export function callCost(name: string): number {
  if (Object.hasOwn(dear, name)) return dear[name] ?? 1;
  return name.startsWith('get') ? 20 : 1;
}

/** Steps of a macro over a list of this length, or of an unknown one. */
export function loopCost(length: number | undefined, round: number): number {
  return 1 + (length ?? costLimits.assumedLength) * round;
}
