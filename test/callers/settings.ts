import type { AuthSettings, OrganizationSettings } from '../../src/callers/index.ts';
import { Secret } from '../../src/exchange/index.ts';

type Team = OrganizationSettings['teams'][number];

export const serverSecret = new Secret('a secret of the server');

export const auth: AuthSettings = { keys: true };

/** A team as the configuration gives it, defaults filled in. */
export function team(id: string, given: Partial<Team> = {}): Team {
  return {
    id,
    keys: [],
    models: ['*'],
    budgets: [],
    limits: {},
    users: {},
    model_limits: [],
    tag_limits: [],
    ...given,
  };
}

export function organization(
  id: string,
  teams: Team[],
  given: Partial<OrganizationSettings> = {},
): OrganizationSettings {
  return { id, budgets: [], limits: {}, projects: {}, model_limits: [], tag_limits: [], teams, ...given };
}

export function budget(
  given: Partial<Team['budgets'][number]> & Pick<Team['budgets'][number], 'window'>,
): Team['budgets'][number] {
  return { on_exceed: 'deny', warn_percent: [], time_zone: 'UTC', ...given };
}

type KeyObject = Exclude<Team['keys'][number], Secret>;

export function key(secret: string, given: Partial<KeyObject> = {}): KeyObject {
  return {
    key: new Secret(secret),
    scopes: ['policy:evaluate'],
    tags: [],
    may_assert: false,
    budgets: [],
    limits: {},
    ...given,
  };
}
