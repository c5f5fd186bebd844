import type { Caller } from '../exchange/index.ts';
import type { Labels } from '../stores/index.ts';

type Answers = { readonly provider: string; readonly model?: string } | undefined;

interface Known {
  readonly provider: string | undefined;
  readonly model: string | undefined;
  readonly labels: Labels;
}

const known = new WeakMap<Caller, Known[]>();
/** Models of one caller whose labels are kept. */
const known_max = 32;

/**
 * Who and what a call is for, as its ledger entry says it. Nothing that was not identified. The same object for calls
 * that say the same, so that a ledger finds what it wrote of it before.
 */
export function labelsOf(caller: Caller, answers: Answers): Labels {
  const { provider, model } = answers ?? {};
  let list = known.get(caller);
  if (list === undefined) {
    list = [];
    known.set(caller, list);
  }
  for (const one of list) if (one.provider === provider && one.model === model) return one.labels;
  const labels = made(caller, answers);
  if (list.length >= known_max) list.length = 0;
  list.push({ provider, model, labels });
  return labels;
}

function made({ organization, team, project, user, key, tags }: Caller, answers: Answers): Labels {
  const labels: Record<string, string> = { organization: organization.id, team: team.id, key: key.id };
  if (user !== undefined) labels.user = user.id;
  if (project !== undefined) labels.project = project.id;
  if (tags.length > 0) labels.tags = tags.join(',');
  if (answers !== undefined) labels.provider = answers.provider;
  if (answers?.model !== undefined) labels.model = answers.model;
  return Object.freeze(labels);
}

/** The same of a candidate. */
export function answering(
  candidate: { readonly model: string; readonly provider: { readonly id: string } } | undefined,
): { readonly provider: string; readonly model: string } | undefined {
  return candidate === undefined ? undefined : { provider: candidate.provider.id, model: candidate.model };
}
