import { Failure } from '../../exchange/index.ts';
import type { FactTree } from '../../policy/index.ts';

/** One question to the decision point. */
export interface Asked {
  readonly requestId: string | undefined;
  readonly context: FactTree;
}

/** Evaluations in one call. */
export const batch_max = 100;

/** Evaluations as a list, or as published: `contexts` alone. Throws `invalid_request`. */
export function batchOf(body: unknown): readonly Asked[] {
  const contexts =
    isObject(body) && Array.isArray(body.contexts) && onlyHas(body, ['contexts'], '') ? body.contexts : [];
  const list = Array.isArray(body) ? body : contexts.map((context) => ({ context }));
  if (list.length === 0 || list.length > batch_max) {
    throw new Failure('invalid_request', `The body must be a list of 1 to ${batch_max} evaluations.`);
  }
  return list.map((one, at) => askedOf(one, `[${at}].`));
}

/** Throws `invalid_request` that names the field at fault, `at` being where the evaluation stands. */
export function askedOf(body: unknown, at = ''): Asked {
  if (!isObject(body)) {
    const what = at === '' ? 'The body' : `\`${at.slice(0, -1)}\``;
    throw refused(at.slice(0, -1), `${what} must be a JSON object with a context.`);
  }
  onlyHas(body, ['requestId', 'context'], at);
  const { requestId, context } = body;
  if (requestId !== undefined && typeof requestId !== 'string')
    throw refused(`${at}requestId`, `\`${at}requestId\` must be a string.`);
  if (!isObject(context)) throw refused(`${at}context`, `\`${at}context\` must be an object of facts.`);
  return { requestId, context };
}

/** What nobody reads is refused: its sender believes that it counts. */
function onlyHas(body: Record<string, unknown>, known: readonly string[], at: string): true {
  const unknown = Object.keys(body).find((name) => !known.includes(name));
  if (unknown !== undefined)
    throw refused(`${at}${unknown}`, `\`${at}${unknown}\` is not known here; there is ${known.join(' and ')}.`);
  return true;
}

function refused(param: string, message: string): Failure {
  return new Failure('invalid_request', message, param === '' ? {} : { param });
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
