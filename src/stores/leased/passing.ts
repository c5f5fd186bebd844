import type { Ledger, LedgerEntry, Override } from '../ledger.ts';

/** What people ask of a ledger, answered by the shared one once it was told all that has happened here. */
export abstract class Passing {
  readonly #remote: Ledger;

  constructor(remote: Ledger) {
    this.#remote = remote;
  }

  /** Resolves once the shared ledger knows all of an organisation that is known here. */
  protected abstract tell(organization: string): Promise<void>;

  async counters(organization: string) {
    await this.tell(organization);
    return this.#remote.counters(organization);
  }

  async *entries(organization: string): AsyncGenerator<LedgerEntry> {
    await this.tell(organization);
    yield* this.#remote.entries(organization);
  }

  async reconcile(organization: string, options: { readonly repair: boolean }) {
    await this.tell(organization);
    return this.#remote.reconcile(organization, options);
  }

  overrides(organization: string): Promise<readonly Override[]> {
    return this.#remote.overrides(organization);
  }

  async override(organization: string, override: Override): Promise<void> {
    await this.#remote.override(organization, override);
    await this.tell(organization);
  }

  async clearOverride(organization: string, budget: Override['budget']): Promise<boolean> {
    const stood = await this.#remote.clearOverride(organization, budget);
    await this.tell(organization);
    return stood;
  }

  async reset(organization: string, key: string): Promise<boolean> {
    await this.tell(organization);
    const was = await this.#remote.reset(organization, key);
    await this.tell(organization);
    return was;
  }
}
