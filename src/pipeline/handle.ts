import type { Failure } from '../exchange/index.ts';
import type { Ending } from '../observe/index.ts';
import { accept, clientGone } from './accept.ts';
import type { Admitted } from './admit.ts';
import { admitDecided } from './admit-decided.ts';
import { ApprovalRequired, approve, useApproval } from './approve.ts';
import { type Answered, attempt } from './attempt.ts';
import { Attempts } from './attempts.ts';
import { cleanThrown } from './clean-failure.ts';
import { Denial, decide } from './decide.ts';
import { decideSettled } from './decide-settled.ts';
import { dryRun } from './dry-run.ts';
import { askAttention, countRules, endingOf, failureOf } from './ending.ts';
import { type Guarded, guard } from './guard.ts';
import { identify } from './identify.ts';
import { inspect } from './inspect.ts';
import { answering } from './labels.ts';
import { Lease } from './lease.ts';
import { read } from './read.ts';
import { intentOf, type Progress, recordOf } from './record.ts';
import {
  answerHeaders,
  costUsd,
  failureHeaders,
  type Headers,
  overhead,
  ownTime,
  streamHeaders,
  upstreamMs,
} from './reply-headers.ts';
import { sentView } from './sent.ts';
import { finalCost, settle } from './settle.ts';
import { throttleRates } from './throttle-rates.ts';
import type { Arrival, Outlet, Walk } from './walk.ts';

/** How the walk went: what is still to be written, and why it ended. */
interface Walked {
  readonly ending: Ending;
  readonly failure: Failure | undefined;
  /** The bytes that complete the reply, and its headers where they are not sent yet. */
  readonly tail: Buffer;
  readonly status: number;
  readonly headers: Headers;
  readonly headSent: boolean;
}

/**
 * One exchange, from its bytes to its record: accept, identify, read, inspect, decide, admit, attempt, guard, settle,
 * record. Whatever happens on the way, it is settled once and recorded once. Never rejects.
 */
export async function handle(walk: Walk, arrival: Arrival, outlet: Outlet): Promise<void> {
  const progress: Progress = { accepted: accept(walk, arrival, outlet) };
  const leave = walk.metrics.enter();
  let walked: Walked;
  try {
    walked = await climb(walk, progress, outlet);
  } catch (thrown) {
    walked = failed(walk, progress, thrown);
  }
  await conclude(walk, progress, walked, outlet);
  leave();
}

/** An exchange that ends before its body could be read: refused and recorded like any other. Never rejects. */
export async function refuse(walk: Walk, arrival: Arrival, outlet: Outlet, failure: Failure): Promise<void> {
  const progress: Progress = { accepted: accept(walk, arrival, outlet) };
  await conclude(walk, progress, failed(walk, progress, failure), outlet);
}

/** The ladder. Throws a failure while nothing has left to the client. */
async function climb(walk: Walk, progress: Progress, outlet: Outlet): Promise<Walked> {
  const known = identify(walk, progress.accepted);
  const identified = known instanceof Promise ? await known : known;
  progress.identified = identified;
  const request = read(walk, identified);
  progress.read = request;
  const measured = inspect(walk, request);
  const inspected = measured instanceof Promise ? await measured : measured;
  progress.inspected = inspected;
  const decided = decide(walk, inspected);
  progress.decided = decided;
  if (request.arrival.headers['x-llm-dry-run'] !== undefined) return { ...dryRun(decided), ending: 'complete' };
  const approving = approve(walk, decided);
  const admitted = await admitDecided(walk, approving instanceof Promise ? await approving : approving);
  progress.admitted = admitted;
  await walk.trail.begin(intentOf(admitted));
  // Only now: where the intent cannot be written the call is not made, and the approval is for another try.
  if (admitted.approval !== undefined) await useApproval(walk, admitted.approval, admitted.verdict.decision);
  const attempts = new Attempts(admitted);
  progress.attempts = attempts;
  const [first] = admitted.candidates;
  const throttles = first === undefined ? [] : throttleRates(admitted, admitted.verdict.decision, first);
  const lease = new Lease(walk, admitted, (candidate, amount) => intentOf(admitted, candidate, amount), throttles);
  progress.lease = lease;
  try {
    let answered: Answered;
    try {
      answered = await attempt(walk, admitted, attempts, lease);
    } catch (thrown) {
      // What the provider refused in words is cleaned like a reply.
      throw cleanThrown(thrown, admitted.pinned, attempts.verdict.facts);
    }
    attempts.firstToken_ms = answered.firstAt - admitted.started;
    attempts.overhead_ms = overhead(walk, admitted, attempts);
    const headers = answerHeaders(admitted, answered, attempts);
    let headSent = false;
    const guarding = guard(walk, admitted, answered, outlet, () => {
      headSent = true;
      outlet.head(answered.status, streamHeaders(headers), true);
    });
    const guarded = guarding instanceof Promise ? await guarding : guarding;
    progress.guarded = guarded;
    reportEnd(admitted, answered, guarded);
    if (guarded.failure !== undefined && !headSent) throw guarded.failure;
    return {
      ending: guarded.ending,
      failure: guarded.failure,
      tail: guarded.tail,
      status: answered.status,
      headers: admitted.view.stream ? streamHeaders(headers) : headers,
      headSent,
    };
  } finally {
    lease.stop();
  }
}

/** Tells a candidate's health how its reply came to its end; who ended it otherwise says nothing of the provider. */
function reportEnd({ pinned: { health } }: Admitted, { candidate }: Answered, { ending, failure }: Guarded): void {
  if (ending === 'complete') health.report(candidate, { kind: 'completed' });
  else if (failure?.fault === 'provider') health.report(candidate, { kind: 'broken', failure });
}

/** What a thrown failure becomes: a status line in the caller's format. */
function failed(walk: Walk, progress: Progress, thrown: unknown): Walked {
  const { accepted } = progress;
  const failure = failureOf(thrown);
  if (failure === clientGone) {
    return { ending: 'aborted', failure: undefined, tail: Buffer.alloc(0), status: 499, headers: {}, headSent: false };
  }
  if (failure instanceof Denial) {
    progress.denied = failure.decision;
    progress.deniedOn = failure.facts;
  }
  if (failure instanceof ApprovalRequired) progress.asked = failure.approval;
  if (failure.code === 'internal_error')
    walk.log.error('an exchange failed inside', { exchange: accepted.id, error: failure.detail.cause });
  const body = accepted.arrival.format.failureBody(failure, accepted.requestId);
  return {
    ending: progress.guarded?.ending ?? endingOf(failure),
    failure,
    tail: body,
    status: failure.status,
    headers: failureHeaders(failure, accepted.requestId, progress.attempts),
    headSent: false,
  };
}

/** Settles, records, and only then writes the bytes that complete the reply. */
async function conclude(walk: Walk, progress: Progress, walked: Walked, outlet: Outlet): Promise<void> {
  const { admitted, attempts, guarded } = progress;
  try {
    if (admitted !== undefined) {
      const tried = attempts ?? new Attempts(admitted);
      const counted = finalCost(walk, admitted, tried, guarded?.meter);
      const cost = counted instanceof Promise ? await counted : counted;
      progress.cost = cost;
      learn(walk, progress);
      const reached = tried.sent || guarded !== undefined;
      const settled = decideSettled(walk, admitted, tried, guarded, cost);
      if (settled !== undefined) progress.settled = settled;
      const recorded = walk.trail.end(recordOf(walk, progress, walked.ending, walked.failure));
      const last = tried.candidate ?? admitted.candidates[0];
      const throttles = last === undefined ? [] : throttleRates(admitted, tried.verdict.decision, last);
      await settle(walk, admitted, cost, reached, answering(tried.candidate), throttles);
      await recorded;
    } else {
      await walk.trail.end(recordOf(walk, progress, walked.ending, walked.failure));
    }
  } catch (thrown) {
    walk.log.error('an exchange could not be settled or recorded', { exchange: progress.accepted.id, error: thrown });
  }
  finish(progress, walked, outlet);
  measure(walk, progress, walked);
  const { accepted, denied, settled } = progress;
  askAttention(walk, accepted, [denied ?? attempts?.verdict.decision, guarded?.decision, settled]);
}

/** A reply that came to its own end shapes the first hold of the next; one that costs more than was held is told. */
function learn(walk: Walk, { admitted, attempts, guarded, lease, cost }: Progress): void {
  if (admitted === undefined || cost === undefined) return;
  if (admitted.hold.kept) {
    const over = cost.nusd - (lease?.amount ?? admitted.hold.amount).nusd;
    if (over > 0) walk.metrics.debt(over);
  }
  const candidate = attempts?.candidate;
  const output = cost.usage.output;
  if (attempts === undefined || candidate === undefined || output === undefined || guarded?.ending !== 'complete')
    return;
  if (sentView(admitted, attempts.verdict).choices > 1) return;
  walk.outputs.add(candidate.provider.id, candidate.model, admitted.identity.caller.key.id, output);
}

function finish(progress: Progress, walked: Walked, outlet: Outlet): void {
  if (outlet.gone) return;
  const { headers } = walked;
  const streamed =
    progress.guarded !== undefined && progress.read?.view.stream === true && walked.failure === undefined;
  if (progress.cost !== undefined && !streamed && walked.failure === undefined)
    headers['x-llm-cost-usd'] = costUsd(progress.cost);
  if (!walked.headSent) outlet.head(walked.status, headers, streamed);
  const trailers = streamed && progress.cost !== undefined ? { 'x-llm-cost-usd': costUsd(progress.cost) } : undefined;
  outlet.end(walked.tail, trailers);
}

function measure(walk: Walk, progress: Progress, walked: Walked): void {
  const { accepted, identified, attempts, cost, guarded } = progress;
  const decision = progress.denied ?? attempts?.verdict.decision ?? progress.decided?.verdict.decision;
  const notes = attempts?.notes ?? [];
  walk.metrics.exchange({
    team: identified?.identity.caller.team.id,
    model: attempts?.candidate?.model,
    provider: attempts?.candidate?.provider.id,
    decision: decision?.decision ?? 'none',
    status: walked.status,
    overhead_s: ownTime(walk, accepted, attempts, progress.read?.view.stream === true) / 1000,
    upstream_s: notes.length === 0 ? undefined : upstreamMs(attempts) / 1000,
    first_token_s: attempts?.firstToken_ms === undefined ? undefined : attempts.firstToken_ms / 1000,
    usage: cost?.usage,
    cost_nusd: cost?.nusd ?? 0,
  });
  countRules(walk, [decision, guarded?.decision, progress.settled]);
  for (const note of notes.slice(1)) walk.metrics.retry(note.provider);
  for (const { span } of guarded?.found ?? []) walk.metrics.finding(span.rail, span.type);
  for (const { finding } of progress.inspected?.found ?? []) walk.metrics.finding(finding.rail, finding.type);
}
