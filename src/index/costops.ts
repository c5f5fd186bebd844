import { queryText, Service, type ServiceOptions } from './service.ts';

export { ServiceError, type ServiceOptions } from './service.ts';

/** Which spending is asked for. */
export interface SpendingQuery {
  readonly organization?: string;
  /** RFC 3339; `until` is exclusive. */
  readonly since?: string;
  readonly until?: string;
  /** Groups by these, in this order. Default team. */
  readonly by?: readonly string[];
}

/** What one group spent: its names under the words it was asked by, and its figures. US dollars. */
export interface Spending {
  readonly [name: string]: unknown;
  readonly requests: number;
  readonly cost_usd: number;
}

/** When a budget will be spent. */
export interface Forecast {
  readonly [name: string]: unknown;
  readonly organization: string;
  readonly key: string;
  /** RFC 3339; null where it will not be in this window. */
  readonly spent_at: string | null;
  readonly resets_at: string | null;
}

/**
 * Spending of a gateway for tools of finance, from its admin listener: `url` and `key` are those of an administrator.
 * Every method rejects with `ServiceError`.
 */
export class CostOpsClient {
  readonly #service: Service;

  constructor(options: ServiceOptions) {
    this.#service = new Service(options);
  }

  async spending(query: SpendingQuery = {}): Promise<readonly Spending[]> {
    const answer = await this.#service.json('GET', spendingPath(query, 'json'));
    return (answer as { spending: readonly Spending[] }).spending;
  }

  /** The same as CSV, with a head line. */
  async exportSpending(query: SpendingQuery = {}): Promise<string> {
    return await this.#service.text('GET', spendingPath(query, 'csv'));
  }

  async forecast(organization?: string): Promise<readonly Forecast[]> {
    const answer = await this.#service.json('GET', `/admin/v1/reports/forecast${queryText({ organization })}`);
    return (answer as { forecast: readonly Forecast[] }).forecast;
  }

  /** Every counter of budgets: limit, spent, held. */
  async budgets(organization?: string): Promise<readonly Readonly<Record<string, unknown>>[]> {
    const answer = await this.#service.json('GET', `/admin/v1/budgets${queryText({ organization })}`);
    return (answer as { budgets: readonly Readonly<Record<string, unknown>>[] }).budgets;
  }
}

function spendingPath({ by, ...query }: SpendingQuery, format: 'json' | 'csv'): string {
  return `/admin/v1/reports/spending${queryText({ ...query, by: by?.join(','), format })}`;
}
