import { Failure, type Passage, type RequestEdits } from '../exchange/index.ts';
import { type Decision, patternsOf } from '../policy/index.ts';
import { redactText } from '../rails/index.ts';
import type { Inspected } from './inspect.ts';
import { placeholder } from './placeholder.ts';

const none: readonly never[] = [];

type Redaction = Decision['modifications']['redact'][number];

/**
 * New texts for the passages a decision wants redacted. Several redactions are applied as one pass each, in the
 * decision's order, so that a later one sees what an earlier one left.
 */
export function redactedTexts(inspected: Inspected, decision: Decision): RequestEdits['texts'] {
  const { redact } = decision.modifications;
  let texts: Map<Passage, string> | undefined;
  for (const redaction of redact) {
    const passages = affected(inspected, redaction);
    if (passages.length === 0) continue;
    texts ??= new Map();
    const matcher = inspected.pinned.matchers.of(patternsOf(redaction));
    for (const passage of passages) {
      const text = texts.get(passage) ?? passage.text;
      const { channel } = passage;
      const redacted = redactText(text, matcher, passage, (span) => placeholder(redaction.with, span, channel));
      if (redacted.outcome === 'unable') throw unredactable(redaction, redacted.reason);
      if (redacted.text !== text) texts.set(passage, redacted.text);
    }
  }
  return texts === undefined ? none : [...texts].map(([passage, text]) => ({ passage, text }));
}

/**
 * The passages a redaction can touch. Rails have measured all of them already, with the detectors the matcher uses; a
 * policy's own literals and expressions have to be looked for everywhere, and so has what a rail could not measure.
 */
function affected(inspected: Inspected, { rails, patterns, literals }: Redaction): readonly Passage[] {
  const { view, found, railOutcomes } = inspected;
  if (patterns.length > 0 || literals.length > 0 || !haveMeasured(rails, railOutcomes)) return view.passages;
  if (found.length === 0) return none;
  const passages = new Set<Passage>();
  for (const { passage, finding } of found) {
    if (rails.includes(finding.rail) || rails.includes(`${finding.rail}/${finding.type}`)) passages.add(passage);
  }
  return [...passages];
}

/** Whether all these rails (`pii`, or `pii/card`) could say what they found. By index: an iterator over a frozen list makes an object for each step. */
function haveMeasured(rails: readonly string[], told: Inspected['railOutcomes']): boolean {
  for (let index = 0; index < rails.length; index += 1) {
    if (!hasMeasured(rails[index] ?? '', told)) return false;
  }
  return true;
}

function hasMeasured(entry: string, told: Inspected['railOutcomes']): boolean {
  for (let index = 0; index < told.length; index += 1) {
    const { rail = '', outcome = 'unable' } = told[index] ?? {};
    const named = entry === rail || (entry.startsWith(rail) && entry[rail.length] === '/');
    if (named && outcome !== 'unable') return true;
  }
  return false;
}

/** A text nobody could redact does not leave unredacted. */
function unredactable(redaction: Redaction, reason: string): Failure {
  return new Failure('content_blocked', `The request could not be redacted as a policy wants: ${reason}.`, {
    extra: { rule: redaction.rule },
  });
}
