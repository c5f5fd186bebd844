import type { Secret } from '../exchange/index.ts';
import type { Budget, Scope } from '../stores/index.ts';
import { isKeyObject } from './check.ts';
import { limitingEntry } from './described.ts';
import { hashKey, isKeyedHash, publicId } from './key.ts';
import { budgetsOf, type CallerBudget } from './limits.ts';
import { withinTeam } from './scope-name.ts';
import type {
  BudgetSettings,
  KeySettings,
  LimitedSettings,
  MatchSettings,
  OrganizationSettings,
  TeamSettings,
} from './settings.ts';

/** Which of a scope's budgets is meant. */
export type BudgetChoice = Pick<Budget, 'window' | 'unit' | 'rolling_ms'>;

/**
 * The budget an organisation's configuration gives a scope, with the scope as counters name it; undefined where there is
 * none. Users and projects that are not named have those of `default`. A user is `team/user`, as it is called.
 */
export function configuredBudget(
  organization: OrganizationSettings,
  scope: Scope,
  { window, unit, rolling_ms }: BudgetChoice,
  serverSecret: Secret,
): CallerBudget | undefined {
  const found = sectionOf(organization, scope, serverSecret);
  if (found === undefined) return undefined;
  return budgetsOf({ kind: scope.kind, id: found.id }, found.budgets).find(
    (budget) => budget.window === window && budget.unit === unit && budget.rolling_ms === rolling_ms,
  );
}

interface Section {
  readonly id: string;
  readonly budgets: readonly BudgetSettings[];
}

function sectionOf(organization: OrganizationSettings, { kind, id }: Scope, secret: Secret): Section | undefined {
  const { teams } = organization;
  switch (kind) {
    case 'organization':
      return organization.id === id ? organization : undefined;
    case 'team':
      return teams.find((team) => team.id === id);
    case 'project':
      return named(organization.projects, id, id);
    case 'user': {
      const [team, ...rest] = id.split('/');
      const owner = teams.find((one) => one.id === team);
      const user = rest.join('/');
      return owner === undefined || user === '' ? undefined : named(owner.users, user, withinTeam(owner.id, user));
    }
    case 'key': {
      const keys = teams.flatMap((team) => team.keys.filter(isKeyObject));
      const key = keys.find((one) => idOf(one, secret) === id);
      return key === undefined ? undefined : { id, budgets: key.budgets };
    }
    case 'model':
    case 'tag':
      return matching(organization, teams, kind, id);
  }
}

function named(names: Readonly<Record<string, LimitedSettings>>, name: string, id: string): Section | undefined {
  const own = limitingEntry(names, name);
  return own === undefined ? undefined : { id, budgets: own.budgets };
}

function idOf({ id, key }: KeySettings, secret: Secret): string {
  const text = key.reveal();
  const hashed = isKeyedHash(text);
  return id ?? publicId(hashed ? undefined : text, hashed ? text : hashKey(text, secret));
}

function matching(
  organization: OrganizationSettings,
  teams: readonly TeamSettings[],
  kind: 'model' | 'tag',
  id: string,
): Section | undefined {
  const section = `${kind}_limits` as const;
  const own = organization[section].find(({ match }) => match === id);
  if (own !== undefined) return { id, budgets: own.budgets };
  const entries = teams.flatMap((team) => team[section].map((entry: MatchSettings) => ({ team: team.id, entry })));
  const found = entries.find(
    ({ team, entry }) => `${team}/${entry.match}` === id || withinTeam(team, entry.match) === id,
  );
  return found && { id: withinTeam(found.team, found.entry.match), budgets: found.entry.budgets };
}
