import { type Channel, Failure, type StreamMatcher } from '../exchange/index.ts';
import { type FactTree, planResponse, type ResponsePlan } from '../policy/index.ts';
import type { Matchers } from './matchers.ts';
import { partsOf } from './plan-parts.ts';
import type { Pinned } from './walk.ts';

/**
 * A provider's error as the client may see it. Its words can quote what the model said or was asked, so they are held
 * against the rules for replies; where they break one, the error is told without them.
 */
export function cleanFailure(failure: Failure, plan: ResponsePlan, matchers: Matchers): Failure {
  if (failure.code !== 'upstream_error') return failure;
  const { upstreamBody, upstreamCode, upstreamFormat: _, ...detail } = failure.detail;
  const words: [Channel, string][] = [['content', failure.message]];
  if (upstreamCode !== undefined) words.push(['content', upstreamCode]);
  if (upstreamBody !== undefined) words.push(['tool_arguments', Buffer.from(upstreamBody).toString('utf8')]);
  const { acts, notes } = partsOf(plan);
  // Where the whole reply is judged at its end, what its rules look for is only noted until then.
  const parts = plan.mode === 'buffer' ? [acts, notes] : [acts];
  if (parts.every(({ patterns }) => patterns.length === 0 || words.every((one) => isClean(one, matchers.of(patterns)))))
    return failure;
  return new Failure('upstream_error', 'The provider reported an error in words that may not be passed on.', {
    ...detail,
    status: failure.status,
  });
}

/** What cannot be looked at is not clean. */
function isClean([channel, text]: readonly [Channel, string], matcher: StreamMatcher): boolean {
  try {
    const lane = matcher.lane({ channel }, true);
    lane.feed(text);
    lane.finish();
    return lane.spans.length === 0 && lane.unable === undefined;
  } catch {
    return false;
  }
}

/** The same of an error that came instead of a reply. */
export function cleanThrown(failure: Failure, { program, matchers }: Pinned, facts: FactTree): Failure {
  if (failure.code !== 'upstream_error') return failure;
  return cleanFailure(failure, planResponse(program, facts), matchers);
}
