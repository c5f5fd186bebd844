import type { RequestEdits } from '../../src/exchange/index.ts';

/** Edits of an attempt that only names the model. */
export function edits(model: string, more: Partial<RequestEdits> = {}): RequestEdits {
  return { model, texts: [], set: {}, remove: [], askUsage: false, dropFields: [], renameFields: {}, ...more };
}
