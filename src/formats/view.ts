import { Failure, type RequestEdits, type RequestView } from '../exchange/index.ts';
import { type JsonEdit, parsePath, splice } from './json/index.ts';

/** How a view was read, so that edited bytes can be read again in their own format. */
const readers = new WeakMap<RequestView, (bytes: Buffer) => RequestView>();

/** Remembers the reader of a view. */
export function remember(view: RequestView, read: (bytes: Buffer) => RequestView): RequestView {
  readers.set(view, read);
  return view;
}

/** The edits a policy asks for, as changes of the client's own document. */
export function policyEdits(edits: RequestEdits): JsonEdit[] {
  const list: JsonEdit[] = [];
  for (const path of edits.remove) list.push({ op: 'remove', path: parsePath(path) });
  for (const [path, value] of Object.entries(edits.set)) {
    if (value !== undefined) list.push({ op: 'set', path: parsePath(path), json: JSON.stringify(value) });
  }
  for (const { passage, text } of edits.texts) list.push({ op: 'text', path: passage.path, text });
  return list;
}

/** The view with the policy's edits applied: for a translation, which starts from what the client would have sent. */
export function edited(view: RequestView, edits: RequestEdits): RequestView {
  const list = policyEdits(edits);
  if (list.length === 0) return view;
  const read = readers.get(view);
  if (read === undefined) throw new Failure('internal_error', 'The gateway could not finish this call.');
  return read(splice(view.bytes, list));
}
