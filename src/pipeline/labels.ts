import type { Caller } from '../exchange/index.ts';
import type { Labels } from '../stores/index.ts';

interface Known {
  readonly provider: string | undefined;
  readonly model: string | undefined;
  readonly labels: Labels;
  /** What `repliesOf` says, once it was asked. */
  replies: string | undefined;
}

const known = new WeakMap<Caller, Known[]>();
/** Models of one caller whose labels are kept. */
const known_max = 32;

/**
 * Who and what a call is for, as its ledger entry says it, and who answers it, where that is known. Nothing that was not
 * identified. The same object for calls that say the same, so that a ledger finds what it wrote of it before.
 */
export function labelsOf(caller: Caller, provider: string | undefined, model: string | undefined): Labels {
  return knownOf(caller, provider, model).labels;
}

/** A name for replies of this model to this key: for figures that are kept of them. */
export function repliesOf(caller: Caller, provider: string, model: string): string {
  const one = knownOf(caller, provider, model);
  one.replies ??= `${provider}\u0000${model}\u0000${caller.key.id}`;
  return one.replies;
}

function knownOf(caller: Caller, provider: string | undefined, model: string | undefined): Known {
  let list = known.get(caller);
  if (list === undefined) {
    list = [];
    known.set(caller, list);
  }
  for (const one of list) if (one.provider === provider && one.model === model) return one;
  const one = { provider, model, labels: made(caller, provider, model), replies: undefined };
  if (list.length >= known_max) list.length = 0;
  list.push(one);
  return one;
}

function made(
  { organization, team, project, user, key, tags }: Caller,
  provider: string | undefined,
  model: string | undefined,
): Labels {
  const labels: Record<string, string> = { organization: organization.id, team: team.id, key: key.id };
  if (user !== undefined) labels.user = user.id;
  if (project !== undefined) labels.project = project.id;
  if (tags.length > 0) labels.tags = tags.join(',');
  if (provider !== undefined) labels.provider = provider;
  if (model !== undefined) labels.model = model;
  return Object.freeze(labels);
}
