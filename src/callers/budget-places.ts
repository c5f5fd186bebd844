import { isKeyObject } from './check.ts';
import type { BudgetSettings, LimitedSettings, OrganizationSettings } from './settings.ts';

/** A budget of the configuration and where it stands. */
export interface BudgetPlace {
  readonly path: readonly (string | number)[];
  readonly budget: BudgetSettings;
}

type Owner = Pick<LimitedSettings, 'budgets'>;

/** Every budget that is written down, in whatever section. */
export function* budgetPlaces(organizations: readonly OrganizationSettings[]): Generator<BudgetPlace> {
  for (const [o, organization] of organizations.entries()) {
    for (const [path, owner] of ownersOf(organization)) {
      for (const [index, budget] of owner.budgets.entries()) yield { path: [o, ...path, 'budgets', index], budget };
    }
  }
}

function* ownersOf(organization: OrganizationSettings): Generator<readonly [BudgetPlace['path'], Owner]> {
  yield [[], organization];
  for (const [name, owner] of Object.entries(organization.projects)) yield [['projects', name], owner];
  yield* matched(organization, []);
  for (const [t, team] of organization.teams.entries()) {
    yield [['teams', t], team];
    for (const [name, owner] of Object.entries(team.users)) yield [['teams', t, 'users', name], owner];
    for (const [k, key] of team.keys.entries()) if (isKeyObject(key)) yield [['teams', t, 'keys', k], key];
    yield* matched(team, ['teams', t]);
  }
}

function* matched(
  owner: Pick<OrganizationSettings, 'model_limits' | 'tag_limits'>,
  at: BudgetPlace['path'],
): Generator<readonly [BudgetPlace['path'], Owner]> {
  for (const section of ['model_limits', 'tag_limits'] as const) {
    for (const [index, entry] of owner[section].entries()) yield [[...at, section, index], entry];
  }
}
