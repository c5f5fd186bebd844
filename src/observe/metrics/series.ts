/** What the registry of prom-client asks of a metric. */
export interface Exposed {
  readonly name: string;
  get(): { name: string; help: string; type: string; values: ExposedValue[]; aggregator: string };
  reset(): void;
}

interface ExposedValue {
  readonly value: number;
  readonly labels: Readonly<Record<string, string | number>>;
  readonly metricName?: string;
}

type Labels = Readonly<Record<string, string>>;

/** One line of a counter or gauge: adding to it is adding to a number. */
export class Series {
  readonly labels: Labels;
  value = 0;

  constructor(labels: Labels) {
    this.labels = labels;
  }
}

/** One histogram: counts by bucket, made cumulative when read. */
export class Distribution {
  readonly labels: Labels;
  readonly #bounds: readonly number[];
  readonly #counts: Float64Array;
  #sum = 0;

  constructor(labels: Labels, bounds: readonly number[]) {
    this.labels = labels;
    this.#bounds = bounds;
    this.#counts = new Float64Array(bounds.length + 1);
  }

  observe(value: number): void {
    let bucket = 0;
    const bounds = this.#bounds;
    while (bucket < bounds.length && value > (bounds[bucket] ?? 0)) bucket++;
    this.#counts[bucket] = (this.#counts[bucket] ?? 0) + 1;
    this.#sum += value;
  }

  expose(name: string, out: ExposedValue[]): void {
    let total = 0;
    for (let bucket = 0; bucket <= this.#bounds.length; bucket++) {
      total += this.#counts[bucket] ?? 0;
      out.push({
        value: total,
        labels: { ...this.labels, le: this.#bounds[bucket] ?? '+Inf' },
        metricName: `${name}_bucket`,
      });
    }
    out.push({ value: this.#sum, labels: this.labels, metricName: `${name}_sum` });
    out.push({ value: total, labels: this.labels, metricName: `${name}_count` });
  }
}

/**
 * A metric whose series are found by their label values and kept. prom-client hashes labels at each `inc`, some
 * microseconds a call; here a call adds to numbers it holds, and the registry reads them when scraped. Past
 * `series_max` everything goes to one series with `other` in every label.
 */
abstract class Family<S> implements Exposed {
  readonly name: string;
  readonly help: string;
  readonly labelNames: readonly string[];
  protected readonly all = new Map<string, S>();
  /** What the same series of several processes come to. */
  aggregator: 'sum' | 'max' = 'sum';
  readonly #series_max: number;

  constructor(name: string, help: string, labelNames: readonly string[] = [], series_max = 2000) {
    this.name = name;
    this.help = help;
    this.labelNames = labelNames;
    this.#series_max = series_max;
  }

  protected abstract make(labels: Labels): S;
  protected abstract expose(series: S, out: ExposedValue[]): void;
  protected abstract readonly type: string;

  /** The series of these label values, in the order of the names. Keep it where calls come again. */
  of(...values: readonly string[]): S {
    const key = values.length < 2 ? (values[0] ?? '') : values.join('\u0000');
    const known = this.all.get(key);
    if (known !== undefined) return known;
    if (this.all.size >= this.#series_max && values.some((value) => value !== 'other')) {
      return this.of(...values.map(() => 'other'));
    }
    const labels = Object.fromEntries(this.labelNames.map((name, at) => [name, values[at] ?? '']));
    const made = this.make(labels);
    this.all.set(key, made);
    return made;
  }

  reset(): void {
    this.all.clear();
  }

  get() {
    const values: ExposedValue[] = [];
    for (const series of this.all.values()) this.expose(series, values);
    return { name: this.name, help: this.help, type: this.type, values, aggregator: this.aggregator };
  }
}

export class Counters extends Family<Series> {
  protected readonly type: string = 'counter';

  protected make(labels: Labels): Series {
    return new Series(labels);
  }

  protected expose(series: Series, out: ExposedValue[]): void {
    out.push({ value: series.value, labels: series.labels });
  }
}

/** Gauges; `read` may set them anew each time they are asked for. */
export class Gauges extends Counters {
  protected override readonly type: string = 'gauge';
  read: ((gauges: Gauges) => void) | undefined;

  override get() {
    this.read?.(this);
    return super.get();
  }
}

/** Gauges of which the highest of several processes counts: of a delay, or of yes and no. */
export class Peaks extends Gauges {
  override aggregator: 'sum' | 'max' = 'max';
}

export class Histograms extends Family<Distribution> {
  protected readonly type = 'histogram';
  readonly #bounds: readonly number[];

  constructor(name: string, help: string, bounds: readonly number[], labelNames: readonly string[] = []) {
    super(name, help, labelNames, 500);
    this.#bounds = bounds;
  }

  protected make(labels: Labels): Distribution {
    return new Distribution(labels, this.#bounds);
  }

  protected expose(series: Distribution, out: ExposedValue[]): void {
    series.expose(this.name, out);
  }
}
