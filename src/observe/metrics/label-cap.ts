/** What a label says where there is no value. */
export const nameless = 'none';

/**
 * Lets a label take its first `max` values; later ones are `other`. Names that callers choose (a model that does not
 * exist) must not grow memory or the dashboard.
 */
export class LabelCap {
  readonly #max: number;
  readonly #known = new Set<string>();

  constructor(max: number) {
    this.#max = max;
  }

  of(value: string | undefined): string {
    if (value === undefined || value === '') return nameless;
    if (this.#known.has(value)) return value;
    if (this.#known.size >= this.#max || value.length > 120) return 'other';
    this.#known.add(value);
    return value;
  }
}
