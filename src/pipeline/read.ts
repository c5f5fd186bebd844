import { Failure, type RequestView } from '../exchange/index.ts';
import type { Candidate } from '../providers/index.ts';
import { checkSize, richer } from './accept.ts';
import type { Identified } from './identify.ts';
import type { Walk } from './walk.ts';

/** A request read: what it asks for, and whom we may ask. */
export interface Read extends Identified {
  readonly view: RequestView;
  /** Candidates in the order to try; never empty. */
  readonly candidates: readonly Candidate[];
}

/** Bytes to a view, model to candidates. Throws `invalid_request` (400), `request_too_large` (413), `model_not_found` (404). */
export function read(walk: Walk, identified: Identified): Read {
  const { arrival, pinned } = identified;
  checkSize(arrival.body.length, pinned.limits.body_bytes_max);
  const view = arrival.format.read(arrival.body);
  const request = richer<Read>(identified);
  request.view = view;
  request.candidates = candidatesFor(walk, identified, view.model);
  const other = view.otherModels?.find((model) => !identified.identity.mayUse(model));
  if (other !== undefined) throw notFound(other, 'tools');
  return request;
}

/** The candidates of a model name the caller may use; a name it may not use is as unknown as one that is not there. */
export function candidatesFor(walk: Walk, { identity, pinned }: Identified, model: string): readonly Candidate[] {
  const candidates = identity.mayUse(model) ? pinned.catalog.resolve(model, walk.random()) : [];
  if (candidates.length === 0) throw notFound(model, 'model');
  return candidates;
}

function notFound(model: string, param: string): Failure {
  return new Failure('model_not_found', `The model '${model}' does not exist or you do not have access to it.`, {
    param,
  });
}
