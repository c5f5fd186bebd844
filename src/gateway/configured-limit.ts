import { configuredBudget } from '../callers/index.ts';
import type { Settings } from '../config.ts';
import type { Secret } from '../exchange/index.ts';
import type { Override } from '../stores/index.ts';

/** The limit for which an override stands in, in the ledger's unit; undefined where the configuration has no such budget. */
export type ConfiguredLimit = (organization: string, override: Override) => number | undefined;

export function configuredLimits(settings: () => Settings, serverSecret: Secret): ConfiguredLimit {
  return (organization, { budget }) => {
    const section = settings().organizations.find(({ id }) => id === organization);
    return section && configuredBudget(section, budget.scope, budget, serverSecret)?.limit;
  };
}
