import type { EncodedRequest, RequestEdits } from '../exchange/index.ts';
import type { Candidate } from '../providers/index.ts';
import type { Admitted, Hold } from './admit.ts';
import type { Attempts } from './attempts.ts';
import { sent, sentAsAsked } from './sent.ts';

const noTexts: RequestEdits['texts'] = [];

/** What a caller is told whose limit was lowered. */
export function limitWarning({ limitedBy, output }: Hold): string | undefined {
  return limitedBy === undefined ? undefined : `max_tokens is ${output.most}: ${limitedBy} affords no more`;
}

/** The request for one candidate, from the original bytes with this attempt's edits alone. */
export function encode(admitted: Admitted, attempts: Attempts, candidate: Candidate): EncodedRequest {
  const { view } = admitted;
  const { modifications } = attempts.verdict.decision;
  const { quirks } = candidate.provider;
  const edits: RequestEdits = {
    model: candidate.model,
    maxOutputTokens: attempts.hold.output.splice,
    prependSystem: modifications.prependSystem,
    texts: sentAsAsked(attempts.verdict) ? noTexts : sent(admitted, attempts.verdict).texts,
    set: modifications.set,
    remove: modifications.remove,
    askUsage: view.stream && !view.usageAsked && quirks.streamUsage === 'ask',
    dropFields: quirks.dropFields,
    renameFields: quirks.renameFields,
  };
  return candidate.provider.format.encodeRequest(view, edits);
}
