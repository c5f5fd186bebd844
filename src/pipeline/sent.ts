import { Failure, type RequestEdits, type RequestView } from '../exchange/index.ts';
import type { Verdict } from './decide.ts';
import type { Inspected } from './inspect.ts';
import { redactedTexts } from './redact-request.ts';

/** A request as it leaves under a decision. */
export interface Sent {
  /** What is held, priced and settled: the client's own request, or what rules that set and remove fields make of it. */
  readonly view: RequestView;
  /** New texts of passages of the client's request. */
  readonly texts: RequestEdits['texts'];
  /** Those of them that `view` does not have yet. */
  readonly redacted: RequestEdits['texts'];
  /** Bytes that `redacted` is longer than what stood there. */
  readonly grownBytes: number;
}

const none: RequestEdits['texts'] = [];

/**
 * The request that a decision makes of the client's, worked out once for a verdict: an edit may ask for more choices,
 * another tier or more tools, and what is held must cover what is sent. The text that rules put before a request is not
 * part of it (`preambleTokensMax`). Throws `content_blocked` where a text cannot be redacted, `policy_denied` where the
 * edits make a request that nobody can read.
 */
export function sent(inspected: Inspected, verdict: Verdict): Sent {
  verdict.sent ??= build(inspected, verdict);
  return verdict.sent;
}

function build(inspected: Inspected, { decision }: Verdict): Sent {
  const { view } = inspected;
  const { set, remove } = decision.modifications;
  const texts = redactedTexts(inspected, decision);
  const fields = Object.keys(set);
  // A prediction is held for as output as well: it is read again, with what was redacted in it.
  if (fields.length === 0 && remove.length === 0 && view.predictedBytes === undefined) {
    let grownBytes = 0;
    for (const one of texts) grownBytes += grown(one);
    return { view, texts, redacted: texts, grownBytes };
  }
  try {
    return { view: view.edited({ set, remove, texts }), texts, redacted: none, grownBytes: 0 };
  } catch (thrown) {
    if (!(thrown instanceof Failure) || thrown.code !== 'invalid_request') throw thrown;
    const edited = [...fields, ...remove].join(', ');
    const rule = decision.obligations.find(({ type }) => type === 'set' || type === 'remove')?.rule ?? '';
    throw new Failure('policy_denied', `A policy edits ${edited}, and nobody can read the request then.`, {
      cause: thrown,
      extra: { rule },
    });
  }
}

function grown({ passage, text }: RequestEdits['texts'][number]): number {
  return Math.max(0, Buffer.byteLength(text) - Buffer.byteLength(passage.text));
}

/** Whether a decision sends the client's own request, whatever it caps or puts before it. */
export function sentAsAsked({ decision: { modifications } }: Verdict): boolean {
  const { redact, set, remove } = modifications;
  if (redact.length > 0 || remove.length > 0) return false;
  for (const _ in set) return false;
  return true;
}

/** The view of what is sent: what money is counted by. */
export function sentView(inspected: Inspected, verdict: Verdict): RequestView {
  return sentAsAsked(verdict) ? inspected.view : sent(inspected, verdict).view;
}
