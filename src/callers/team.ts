import { LRUCache } from 'lru-cache';
import type { Caller } from '../exchange/index.ts';
import type { Budget, Rate } from '../stores/index.ts';
import type { Assertion } from './assertion.ts';
import type { Identity } from './identity.ts';
import { budgetsOf, ratesOf } from './limits.ts';
import { type ModelRule, modelRule } from './models.ts';
import type { BudgetSettings, LimitSettings, OrganizationSettings, TeamSettings } from './settings.ts';

/** What a member (a key or a token) adds to its team. */
export interface Member {
  readonly kind: Caller['kind'];
  readonly key: Caller['key'];
  readonly user?: NonNullable<Caller['user']>;
  /** Narrows the team's models; none where left out. */
  readonly models?: readonly string[];
  readonly budgets: readonly BudgetSettings[];
  readonly limits: LimitSettings;
}

/** A team, compiled: everything its members have in common is built once. */
export interface Team {
  readonly id: string;
  /** The identity of a member on its own. Build once for each and keep. */
  identity(member: Member): Identity;
  /** A member's identity while it speaks for someone else. Those of the last 10,000 users are kept. */
  asserted(own: Identity, assertion: Assertion): Identity;
}

interface Limits {
  readonly budgets: readonly Budget[];
  readonly rates: readonly Rate[];
}

const usersKept = 10_000;

/** Compiles one team of an organisation. */
export function compileTeam(organization: OrganizationSettings, team: TeamSettings): Team {
  const mayUse = modelRule(team.models);
  const shared = joined(
    limitsOf({ kind: 'organization', id: organization.id }, organization.budgets, organization.limits),
    limitsOf({ kind: 'team', id: team.id }, team.budgets, team.limits),
  );
  const users = new LRUCache<string, Limits>({ max: usersKept });
  const userLimits = (user: string): Limits => {
    let limits = users.get(user);
    if (limits === undefined) {
      limits = limitsOf(
        { kind: 'user', id: userScope(team.id, user) },
        team.users.default.budgets,
        team.users.default.limits,
      );
      users.set(user, limits);
    }
    return limits;
  };
  const context = {
    organization: { id: organization.id, ...(organization.tier === undefined ? {} : { tier: organization.tier }) },
    team: { id: team.id, name: team.name ?? team.id, ...(team.tier === undefined ? {} : { tier: team.tier }) },
  };
  return {
    id: team.id,
    identity(member) {
      const own = limitsOf({ kind: 'key', id: member.key.id }, member.budgets, member.limits);
      const limits = joined(shared, own, member.user === undefined ? noLimits : userLimits(member.user.id));
      const caller: Caller = {
        kind: member.kind,
        key: member.key,
        ...context,
        ...(member.user === undefined ? {} : { user: member.user }),
        tags: [],
      };
      const narrowed = member.models === undefined ? undefined : modelRule(member.models);
      return frozenIdentity(caller, limits, both(mayUse, narrowed), member.models ?? team.models);
    },
    asserted(own, { user, project, tags }) {
      const limits = user === undefined ? own : joined(own, userLimits(user));
      const caller: Caller = {
        ...own.caller,
        ...(user === undefined ? {} : { user: { id: user, roles: [], permissions: [] } }),
        ...(project === undefined ? {} : { project: { id: project } }),
        tags,
      };
      return frozenIdentity(caller, limits, own.mayUse, own.models);
    },
  };
}

const noLimits: Limits = { budgets: [], rates: [] };

function limitsOf(scope: Budget['scope'], budgets: readonly BudgetSettings[], limits: LimitSettings): Limits {
  return { budgets: budgetsOf(scope, budgets), rates: ratesOf(scope, limits) };
}

function joined(...parts: readonly Limits[]): Limits {
  return { budgets: parts.flatMap((part) => part.budgets), rates: parts.flatMap((part) => part.rates) };
}

function both(team: ModelRule, key: ModelRule | undefined): ModelRule {
  return key === undefined ? team : (model) => team(model) && key(model);
}

function frozenIdentity(caller: Caller, limits: Limits, mayUse: ModelRule, models: readonly string[]): Identity {
  return Object.freeze({ caller: Object.freeze(caller), budgets: limits.budgets, rates: limits.rates, mayUse, models });
}

/**
 * A user's scope is the team's: a key that may name users can spend what its own team grants them and nothing of another
 * team's. What could be read as a separator in a counter's name is escaped.
 */
function userScope(team: string, user: string): string {
  const escaped = user.replaceAll(
    /[^A-Za-z0-9._@+|=-]/gu,
    (character) => `%${Buffer.from(character).toString('hex').toUpperCase()}`,
  );
  return `${team}/${escaped}`;
}
