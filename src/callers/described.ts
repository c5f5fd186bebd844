import type { Caller } from '../exchange/index.ts';
import type { LimitedSettings, OrganizationSettings, ProjectSettings, TeamSettings, UserSettings } from './settings.ts';

type User = NonNullable<Caller['user']>;
type Project = NonNullable<Caller['project']>;

/** What the configuration says of a user, beneath what the credential says. */
export function describedUser(user: User, users: TeamSettings['users']): User {
  const said: Partial<UserSettings> = entry(users, user.id) ?? {};
  const { email = said.email, region = said.region } = user;
  return {
    id: user.id,
    ...(email === undefined ? {} : { email }),
    ...(region === undefined ? {} : { region }),
    roles: user.roles.length > 0 ? user.roles : (said.roles ?? []),
    permissions: user.permissions.length > 0 ? user.permissions : (said.permissions ?? []),
  };
}

/** What the configuration says of a project. */
export function describedProject(project: Project, projects: OrganizationSettings['projects']): Project {
  const { name, environment }: Partial<ProjectSettings> = entry(projects, project.id) ?? {};
  return {
    ...(name === undefined ? {} : { name }),
    ...(environment === undefined ? {} : { environment }),
    ...project,
  };
}

/**
 * The entry whose limits somebody has: their own, or `default`. One that only describes somebody takes no limit away.
 */
export function limitingEntry<T extends LimitedSettings>(
  names: Readonly<Record<string, T>>,
  name: string,
): T | undefined {
  const own = Object.hasOwn(names, name) ? names[name] : undefined;
  if (own === undefined) return names.default;
  const { budgets, limits, ...described } = own;
  const onlyDescribes = budgets.length === 0 && Object.keys(limits).length === 0 && Object.keys(described).length > 0;
  return onlyDescribes ? names.default : own;
}

function entry<T>(names: Readonly<Record<string, T>>, name: string): T | undefined {
  return Object.hasOwn(names, name) ? names[name] : names.default;
}
