/**
 * Values that stand for all others: each of the constants, one in every gap between two neighbours, one below and one
 * above. Whatever compares with these constants alone cannot tell any other value from one of them.
 */
export function numberPoints(constants: readonly number[]): readonly number[] {
  const sorted = [...new Set(constants)].sort((a, b) => a - b);
  const [lowest] = sorted;
  const highest = sorted.at(-1);
  if (lowest === undefined || highest === undefined) return [0];
  const points = [...sorted, above(highest), -above(-lowest)];
  for (let i = 1; i < sorted.length; i++) {
    const gap = between(sorted[i - 1] as number, sorted[i] as number);
    if (gap !== undefined) points.push(gap);
  }
  return points;
}

function above(value: number): number {
  const whole = Math.floor(value) + 1;
  return whole > value ? whole : nextUp(value);
}

function between(a: number, b: number): number | undefined {
  const whole = Math.floor(a) + 1;
  if (whole > a && whole < b) return whole;
  const middle = a / 2 + b / 2;
  if (middle > a && middle < b) return middle;
  const next = nextUp(a);
  return next < b ? next : undefined;
}

/** The smallest number above. */
function nextUp(value: number): number {
  if (value === Number.POSITIVE_INFINITY) return value;
  if (value === 0) return Number.MIN_VALUE;
  const view = new DataView(new ArrayBuffer(8));
  view.setFloat64(0, value);
  view.setBigInt64(0, view.getBigInt64(0) + (value > 0 ? 1n : -1n));
  return view.getFloat64(0);
}

/** The same for texts in the order of their UTF-16 units: the first text above another is that one and a NUL. */
export function textPoints(constants: readonly string[]): readonly string[] {
  const sorted = [...new Set(constants)].sort((a, b) => (a < b ? -1 : a > b ? 1 : 0));
  let fresh = 'other';
  while (sorted.includes(fresh)) fresh += '-other';
  return [...sorted, fresh, ...sorted.map((text) => `${text}-`), ...sorted.map((text) => `${text}\0`), ''];
}
