import type { Budget } from '../ledger.ts';
import { type Plan, type Planned, planOfBudgets } from './plan.ts';

const known_max = 100_000;

interface Known {
  readonly budgets: Map<string, Planned>;
  readonly nonce: string;
  /** Its budgets in the windows it was held in. */
  plan(): Plan;
}

/** What this process holds: whose states to tell in full, and what to tell a store that lost its data. */
export class Mine {
  readonly #known = new Map<string, Known>();

  get(organization: string, id: string): Known | undefined {
    return this.#known.get(nameOf(organization, id));
  }

  budget(organization: string, id: string, key: string): Budget | undefined {
    return this.get(organization, id)?.budgets.get(key)?.budget;
  }

  /** Adds a plan to what is known of a hold. Beyond `known_max` the oldest is forgotten. */
  remember(organization: string, id: string, plan: Plan, nonce: string | undefined): void {
    const name = nameOf(organization, id);
    const known = this.#known.get(name);
    const budgets = known?.budgets ?? new Map<string, Planned>();
    for (const planned of plan.budgets) budgets.set(planned.key, planned);
    const plan_ = () => planOfBudgets([...budgets.values()]);
    this.#known.set(name, { budgets, nonce: nonce ?? known?.nonce ?? '', plan: plan_ });
    if (this.#known.size <= known_max) return;
    for (const oldest of this.#known.keys()) {
      this.#known.delete(oldest);
      break;
    }
  }

  forget(organization: string, id: string): void {
    this.#known.delete(nameOf(organization, id));
  }
}

function nameOf(organization: string, id: string): string {
  return `${organization} ${id}`;
}
