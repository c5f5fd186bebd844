/** One entry of a list to choose from. */
export interface Weighted<T> {
  readonly value: T;
  readonly weight: number;
}

/**
 * All values in an order drawn by weight: the first is each value with its share of the weights, the next from the rest
 * likewise. One number decides it all (`random`, 0 to 1): what is left of it after a draw is uniform again. Weight 0 comes
 * last, in the order given.
 */
export function weightedOrder<T>(entries: readonly Weighted<T>[], random: number): T[] {
  const left = entries.filter((entry) => entry.weight > 0);
  const order: T[] = [];
  let rest = Math.min(Math.max(random, 0), 1 - Number.EPSILON);
  while (left.length > 0) {
    const total = left.reduce((sum, entry) => sum + entry.weight, 0);
    let target = rest * total;
    let index = 0;
    while (index < left.length - 1 && target >= (left[index]?.weight ?? 0)) {
      target -= left[index]?.weight ?? 0;
      index += 1;
    }
    const [drawn] = left.splice(index, 1);
    if (drawn === undefined) break;
    order.push(drawn.value);
    rest = Math.min(target / drawn.weight, 1 - Number.EPSILON);
  }
  for (const entry of entries) if (entry.weight === 0) order.push(entry.value);
  return order;
}

/** The list begun at its n-th entry. */
export function rotated<T>(list: readonly T[], n: number): T[] {
  const start = list.length === 0 ? 0 : n % list.length;
  return [...list.slice(start), ...list.slice(0, start)];
}
