import { checkBody } from '../refusals.ts';
import { publishSchema } from '../schemas.ts';

/** Policies somebody wants to be in force, and tests of them. */
export interface Publication {
  readonly text: string;
  readonly tests?: string;
}

/** A body that is the text of policies, or one policy as JSON, or `{text, tests}`. Throws `invalid_request`. */
export function published(body: unknown): Publication {
  if (typeof body === 'string') return { text: body };
  if (typeof body === 'object' && body !== null && 'metadata' in body) return { text: JSON.stringify(body) };
  checkBody(publishSchema.anyOf[0], body);
  return body as Publication;
}
