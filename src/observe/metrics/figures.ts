import { AggregatorRegistry } from 'prom-client';

/** One metric of a process with all its series, as plain values. */
export interface Figure {
  readonly name: string;
  readonly help: string;
  readonly type: string;
  /** What the same series of several processes come to: `sum`, `max`, `average`, `first`, or left out. */
  readonly aggregator: string;
  readonly values: readonly {
    readonly value: number;
    readonly labels: Readonly<Record<string, string | number>>;
    readonly metricName?: string;
  }[];
}

/** Every metric of a process. */
export type Figures = readonly Figure[];

/** Figures of several processes as Prometheus text, each series as its metric wants it. */
export function textOf(all: readonly Figures[]): Promise<string> {
  return aggregated(all).metrics();
}

/** What only grows, of several processes as one: kept for those that are gone, so that no counter ever falls. */
export async function grownOf(all: readonly Figures[]): Promise<Figures> {
  const figures = (await aggregated(all).getMetricsAsJSON()) as unknown as Figures;
  return figures.filter(({ type }) => type === 'counter' || type === 'histogram');
}

function aggregated(all: readonly Figures[]) {
  return AggregatorRegistry.aggregate(all as unknown as Parameters<typeof AggregatorRegistry.aggregate>[0]);
}
