import { type IntervalHistogram, monitorEventLoopDelay } from 'node:perf_hooks';
import { collectDefaultMetrics, Registry } from 'prom-client';
import type { Usage } from '../../exchange/index.ts';
import type { ScopeKind } from '../../stores/index.ts';
import type { AuditMeasured } from './audit-measured.ts';
import { CallSeries, type TokenSeries } from './call-series.ts';
import { type Families, families } from './families.ts';
import { type Figures, textOf } from './figures.ts';
import { LabelCap } from './label-cap.ts';
import type { Distribution, Exposed, Series } from './series.ts';

export interface MetricsOptions {
  /** Metrics of the process (memory, CPU, handles) as well. Default true. */
  readonly process?: boolean;
  readonly teams_max?: number;
  readonly models_max?: number;
  readonly providers_max?: number;
}

/** What metrics want to know of an exchange that is over. Times are seconds. */
export interface ExchangeMeasured {
  readonly team?: string | undefined;
  /** The model used, or asked for where none was. */
  readonly model?: string | undefined;
  readonly provider?: string | undefined;
  readonly decision: string;
  readonly status: number;
  readonly overhead_s: number;
  readonly upstream_s?: number | undefined;
  readonly first_token_s?: number | undefined;
  readonly usage?: Usage | undefined;
  readonly cost_nusd: number;
}

/** A budget as it stands; scopes of users and keys are left out: they would be labels about people. */
export interface BudgetMeasured {
  readonly organization: string;
  readonly kind: ScopeKind;
  readonly id: string;
  readonly window: string;
  readonly limit_nusd: number;
  readonly spent_nusd: number;
  readonly held_nusd: number;
}

/** Recorders of a process. Each call adds to numbers already found; text is made when `render` is asked. */
export interface Metrics {
  exchange(measured: ExchangeMeasured): void;
  /** An exchange begins; call what it returns when it is over. */
  enter(): () => void;
  finding(rail: string, type: string): void;
  /** An exchange cost this much more than was held for it. */
  debt(nusd: number): void;
  rail(rail: string, seconds: number): void;
  evaluation(decision: string, seconds: number): void;
  /** Verdicts of modules that rules wanted. */
  verdict(outcome: 'run' | 'cached' | 'skipped', count: number): void;
  /** A rule (`policy/rule`) that names this counter matched. */
  rule(metric: string, ref: string): void;
  heldCharacters(count: number): void;
  retry(provider: string): void;
  /** A budget passed a percent it warns at. */
  budgetWarning(
    passed: Pick<BudgetMeasured, 'organization' | 'kind' | 'id' | 'window'> & { readonly percent: number },
  ): void;
  circuit(provider: string, open: boolean): void;
  program(id: string): void;
  /** Asked at each scrape. */
  readBudgets(read: () => Iterable<BudgetMeasured>): void;
  /** `drift_nusd` is what the last reconciliation found; undefined where there was none yet: then no figure is told. */
  readLedger(read: () => { readonly reservations: number; readonly drift_nusd: number | undefined }): void;
  readAudit(read: () => AuditMeasured): void;
  /** Asked at each scrape: how many processes take calls. */
  readWorkers(read: () => number): void;
  workerReplaced(slot: number, reason: 'crash' | 'restart'): void;
  /** What `render` would tell, as values that another process can put together with its own. */
  figures(): Promise<Figures>;
  /** Prometheus text; with figures of other processes, all of them together. */
  render(others?: readonly Figures[]): Promise<string>;
  readonly contentType: string;
  close(): void;
}

class LiveMetrics implements Metrics {
  readonly contentType: string;
  readonly #registry = new Registry();
  readonly #families: Families;
  readonly #lag: IntervalHistogram;
  readonly #providers: LabelCap;
  readonly #calls: CallSeries;
  /** Series that every call adds to, kept from the first one on. */
  #inflight: Series | undefined;
  #overhead: Distribution | undefined;
  #evaluation: Distribution | undefined;

  constructor(options: MetricsOptions) {
    this.#providers = new LabelCap(options.providers_max ?? 50);
    this.contentType = this.#registry.contentType;
    this.#families = families();
    this.#calls = new CallSeries(this.#families, {
      teams: new LabelCap(options.teams_max ?? 200),
      models: new LabelCap(options.models_max ?? 100),
      providers: this.#providers,
    });
    for (const family of Object.values(this.#families) as Exposed[]) {
      // The registry asks a metric for its name and `get`, which a family has.
      this.#registry.registerMetric(family as unknown as Parameters<Registry['registerMetric']>[0]);
    }
    if (options.process !== false) collectDefaultMetrics({ register: this.#registry });
    this.#lag = monitorEventLoopDelay({ resolution: 10 });
    this.#lag.enable();
    this.#families.lag.read = (gauges) => {
      for (const percent of [50, 99, 100]) gauges.of(`${percent / 100}`).value = this.#lag.percentile(percent) / 1e9;
      this.#lag.reset();
    };
  }

  exchange(measured: ExchangeMeasured): void {
    const bound = this.#calls.of(measured);
    this.#calls.requests(bound, measured).value += 1;
    this.#overhead ??= this.#families.overhead.of();
    this.#overhead.observe(measured.overhead_s);
    if (measured.upstream_s !== undefined) bound.upstream.observe(measured.upstream_s);
    if (measured.first_token_s !== undefined) bound.firstToken.observe(measured.first_token_s);
    bound.cost.value += measured.cost_nusd / 1e9;
    if (measured.usage !== undefined) countTokens(bound.tokens, measured.usage);
  }

  enter(): () => void {
    this.#inflight ??= this.#families.inflight.of();
    const inflight = this.#inflight;
    inflight.value += 1;
    let left = false;
    return () => {
      if (!left) inflight.value -= 1;
      left = true;
    };
  }

  finding(rail: string, type: string): void {
    this.#families.findings.of(rail, type).value += 1;
  }

  debt(nusd: number): void {
    this.#families.debt.of().value += nusd / 1e9;
  }

  rail(rail: string, seconds: number): void {
    this.#families.rail.of(rail).observe(seconds);
  }

  rule(metric: string, ref: string): void {
    const at = ref.lastIndexOf('/');
    this.#families.rules.of(metric, ref.slice(0, at), ref.slice(at + 1)).value += 1;
  }

  verdict(outcome: 'run' | 'cached' | 'skipped', count: number): void {
    this.#families.verdicts.of(outcome).value += count;
  }

  evaluation(decision: string, seconds: number): void {
    this.#families.evaluations.of(decision).value += 1;
    this.#evaluation ??= this.#families.evaluation.of();
    this.#evaluation.observe(seconds);
  }

  heldCharacters(count: number): void {
    this.#families.held.of().observe(count);
  }

  retry(provider: string): void {
    this.#families.retries.of(this.#providers.of(provider)).value += 1;
  }

  budgetWarning({ organization, kind, id, window, percent }: Parameters<Metrics['budgetWarning']>[0]): void {
    const named = kind === 'user' || kind === 'key' ? '' : id;
    this.#families.budgetWarnings.of(organization, kind, named, window, String(percent)).value += 1;
  }

  circuit(provider: string, open: boolean): void {
    this.#families.circuits.of(this.#providers.of(provider)).value = open ? 1 : 0;
  }

  program(id: string): void {
    this.#families.program.reset();
    this.#families.program.of(id).value = 1;
  }

  readBudgets(read: () => Iterable<BudgetMeasured>): void {
    const { budgetLimit, budgetSpent, budgetHeld } = this.#families;
    // The registry asks every family at once; the first of the three fills all.
    budgetLimit.read = () => {
      for (const gauges of [budgetLimit, budgetSpent, budgetHeld]) gauges.reset();
      for (const budget of read()) {
        if (budget.kind === 'user' || budget.kind === 'key') continue;
        const labels = [budget.organization, budget.kind, budget.id, budget.window] as const;
        budgetLimit.of(...labels).value = budget.limit_nusd / 1e9;
        budgetSpent.of(...labels).value = budget.spent_nusd / 1e9;
        budgetHeld.of(...labels).value = budget.held_nusd / 1e9;
      }
    };
  }

  readLedger(read: () => { readonly reservations: number; readonly drift_nusd: number | undefined }): void {
    const { reservations, drift } = this.#families;
    reservations.read = (gauges) => {
      gauges.of().value = read().reservations;
    };
    drift.read = (gauges) => {
      const { drift_nusd } = read();
      if (drift_nusd !== undefined) gauges.of().value = drift_nusd / 1e9;
    };
  }

  readAudit(read: () => AuditMeasured): void {
    const { spooled, delivered, failed, aside, missing, waiting, spoolBytes } = this.#families;
    aside.read = bySink(() => read().aside);
    waiting.read = (gauges) => {
      gauges.of().value = read().waiting;
    };
    spoolBytes.read = (gauges) => {
      gauges.of().value = read().bytes;
    };
    spooled.read = (counters) => {
      counters.of().value = read().spooled;
    };
    delivered.read = bySink(() => read().delivered);
    missing.read = bySink(() => read().missing);
    failed.read = bySink(() => read().failed);
  }

  readWorkers(read: () => number): void {
    this.#families.workers.read = (gauges) => {
      gauges.of().value = read();
    };
  }

  workerReplaced(slot: number, reason: 'crash' | 'restart'): void {
    this.#families.workerRestarts.of(String(slot), reason).value += 1;
  }

  async figures(): Promise<Figures> {
    return (await this.#registry.getMetricsAsJSON()) as unknown as Figures;
  }

  async render(others: readonly Figures[] = []): Promise<string> {
    if (others.length === 0) return await this.#registry.metrics();
    return await textOf([await this.figures(), ...others]);
  }

  close(): void {
    this.#lag.disable();
    this.#registry.clear();
  }
}

/** Spelled out: a field whose name is looked up costs more than all of this. */
function countTokens(tokens: TokenSeries, usage: Usage): void {
  tokens.input.value += usage.input ?? 0;
  tokens.output.value += usage.output ?? 0;
  tokens.cacheRead.value += usage.cacheRead ?? 0;
  tokens.cacheWrite.value += usage.cacheWrite ?? 0;
  tokens.reasoning.value += usage.reasoning ?? 0;
  tokens.audioInput.value += usage.audioInput ?? 0;
  tokens.audioOutput.value += usage.audioOutput ?? 0;
}

/** The metrics of CONTRACT.md in a registry of their own. */
export function openMetrics(options: MetricsOptions = {}): Metrics {
  return new LiveMetrics(options);
}

/** Gives each sink's series its count. */
function bySink(read: () => Readonly<Record<string, number>>) {
  return (series: { of(sink: string): { value: number } }): void => {
    for (const [sink, count] of Object.entries(read())) series.of(sink).value = count;
  };
}
