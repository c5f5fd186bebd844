import type { Caller } from '../exchange/index.ts';
import type { Labels } from '../stores/index.ts';

/** Who and what a call is for, as its ledger entry says it. Nothing that was not identified. */
export function labelsOf(
  { organization, team, project, user, key, tags }: Caller,
  answers: { readonly provider: string; readonly model?: string } | undefined,
): Labels {
  const labels: Record<string, string> = { organization: organization.id, team: team.id, key: key.id };
  if (user !== undefined) labels.user = user.id;
  if (project !== undefined) labels.project = project.id;
  if (tags.length > 0) labels.tags = tags.join(',');
  if (answers !== undefined) labels.provider = answers.provider;
  if (answers?.model !== undefined) labels.model = answers.model;
  return labels;
}

/** The same of a candidate. */
export function answering(
  candidate: { readonly model: string; readonly provider: { readonly id: string } } | undefined,
): { readonly provider: string; readonly model: string } | undefined {
  return candidate === undefined ? undefined : { provider: candidate.provider.id, model: candidate.model };
}
