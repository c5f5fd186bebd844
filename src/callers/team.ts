import { LRUCache } from 'lru-cache';
import type { Caller } from '../exchange/index.ts';
import type { ScopeKind } from '../stores/index.ts';
import type { Assertion } from './assertion.ts';
import { describedProject, describedUser, limitingEntry } from './described.ts';
import type { Identity } from './identity.ts';
import { joined, type Limits, limitsOf, noLimits } from './limits.ts';
import { matchedLimits } from './matching.ts';
import { type ModelRule, modelRule } from './models.ts';
import { withinTeam } from './scope-name.ts';
import type { BudgetSettings, LimitedSettings, LimitSettings, OrganizationSettings, TeamSettings } from './settings.ts';

/** What a member (a key or a token) adds to its team. */
export interface Member {
  readonly kind: Caller['kind'];
  readonly key: Caller['key'];
  readonly user?: NonNullable<Caller['user']>;
  readonly project?: NonNullable<Caller['project']>;
  readonly tags?: readonly string[];
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
  /** A member's identity while it speaks for someone else. Limits of the last 10,000 users and projects are kept. */
  asserted(own: Identity, assertion: Assertion): Identity;
}

const namesKept = 10_000;

/** Compiles one team of an organisation. */
export function compileTeam(organization: OrganizationSettings, team: TeamSettings): Team {
  const mayUse = modelRule(team.models);
  const shared = joined(
    limitsOf({ kind: 'organization', id: organization.id }, organization),
    limitsOf({ kind: 'team', id: team.id }, team),
  );
  const ofUser = namedLimits('user', team.users, (user) => withinTeam(team.id, user));
  const ofProject = namedLimits('project', organization.projects, (project) => project);
  const byModel = [
    matchedLimits('model', organization.model_limits),
    matchedLimits('model', team.model_limits, team.id),
  ];
  const byTag = [matchedLimits('tag', organization.tag_limits), matchedLimits('tag', team.tag_limits, team.id)];
  const limited = organization.model_limits.length + team.model_limits.length > 0;
  const modelLimits: Identity['modelLimits'] = limited
    ? (names) => joined(...byModel.map((limits) => limits(names)))
    : () => noLimits;
  const context = {
    organization: { id: organization.id, ...(organization.tier === undefined ? {} : { tier: organization.tier }) },
    team: { id: team.id, name: team.name ?? team.id, ...(team.tier === undefined ? {} : { tier: team.tier }) },
  };
  const members = new WeakMap<Identity, Member>();
  const identityOf = (member: Member): Identity => {
    const { kind, key, user, project, tags = [] } = member;
    const limits = joined(
      shared,
      limitsOf({ kind: 'key', id: key.id }, member),
      user === undefined ? noLimits : ofUser(user.id),
      project === undefined ? noLimits : ofProject(project.id),
      ...(tags.length === 0 ? [] : byTag.map((found) => found(tags))),
    );
    const caller: Caller = {
      kind,
      key,
      ...context,
      ...(user === undefined ? {} : { user: describedUser(user, team.users) }),
      ...(project === undefined ? {} : { project: describedProject(project, organization.projects) }),
      tags,
    };
    const narrowed = member.models === undefined ? undefined : modelRule(member.models);
    const identity: Identity = Object.freeze({
      caller: Object.freeze(caller),
      budgets: limits.budgets,
      rates: limits.rates,
      modelLimits,
      mayUse: both(mayUse, narrowed),
      models: member.models ?? team.models,
    });
    members.set(identity, member);
    return identity;
  };
  return {
    id: team.id,
    identity: identityOf,
    asserted(own, { user, project, tags }) {
      const member = members.get(own);
      if (member === undefined) throw new Error('this identity is of another team');
      return identityOf({
        ...member,
        ...(user === undefined ? {} : { user: { id: user, roles: [], permissions: [] } }),
        ...(project === undefined ? {} : { project: { id: project } }),
        ...(tags.length === 0 ? {} : { tags }),
      });
    },
  };
}

/** The limits of each name of a kind: those written for it, or else the `default` ones. */
function namedLimits(
  kind: ScopeKind,
  settings: Readonly<Record<string, LimitedSettings>>,
  idOf: (name: string) => string,
): (name: string) => Limits {
  const kept = new LRUCache<string, Limits>({ max: namesKept });
  return (name) => {
    let limits = kept.get(name);
    if (limits === undefined) {
      const own = limitingEntry(settings, name);
      limits = own === undefined ? noLimits : limitsOf({ kind, id: idOf(name) }, own);
      kept.set(name, limits);
    }
    return limits;
  };
}

function both(team: ModelRule, key: ModelRule | undefined): ModelRule {
  return key === undefined ? team : (model) => team(model) && key(model);
}
