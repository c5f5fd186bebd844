import type { Failure } from '../exchange/index.ts';
import type { Ending } from '../observe/index.ts';
import { HeaderList } from '../providers/index.ts';
import { accept, clientGone } from './accept.ts';
import { type Admitted, admit } from './admit.ts';
import { admitInstead } from './admit-instead.ts';
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
import { labelsOf, repliesOf } from './labels.ts';
import { Lease } from './lease.ts';
import { Progress } from './progress.ts';
import { read } from './read.ts';
import { intentOf, recordOf } from './record.ts';
import { ReplyHead } from './reply-head.ts';
import { answerHeaders, costUsd, failureHeaders, ownTime, upstreamMs } from './reply-headers.ts';
import { sentView } from './sent.ts';
import { type Cost, finalCost, freed, settle } from './settle.ts';
import { throttleRates } from './throttle-rates.ts';
import type { Arrival, Outlet, Walk } from './walk.ts';

/** How the walk went: what is still to be written, and why it ended. */
interface Walked {
  readonly ending: Ending;
  readonly failure: Failure | undefined;
  /** The bytes that complete the reply. */
  readonly tail: Buffer;
  readonly head: ReplyHead;
}

/**
 * One exchange, from its bytes to its record: accept, identify, read, inspect, decide, admit, attempt, guard, settle,
 * record. Whatever happens on the way, it is settled once and recorded once. Never rejects.
 */
export function handle(walk: Walk, arrival: Arrival, outlet: Outlet): Promise<void> {
  return exchange(walk, arrival, outlet, undefined);
}

/** An exchange that ends before its body could be read: refused and recorded like any other. Never rejects. */
export function refuse(walk: Walk, arrival: Arrival, outlet: Outlet, failure: Failure): Promise<void> {
  return exchange(walk, arrival, outlet, failure);
}

async function exchange(walk: Walk, arrival: Arrival, outlet: Outlet, refused: Failure | undefined): Promise<void> {
  const progress = new Progress(accept(walk, arrival, outlet));
  const leave = walk.metrics.enter();
  let walked: Walked;
  try {
    walked = refused === undefined ? await climb(walk, progress, outlet) : failed(walk, progress, outlet, refused);
  } catch (thrown) {
    walked = failed(walk, progress, outlet, thrown);
  }
  progress.lease?.stop();
  try {
    // Settled and recorded, and only then come the bytes that complete the reply.
    const counted = costOf(walk, progress);
    progress.cost = counted instanceof Promise ? await counted : counted;
    const recorded = record(walk, progress, walked);
    await settleHeld(walk, progress);
    makeRoom(walk, progress);
    await recorded;
  } catch (thrown) {
    walk.log.error('an exchange could not be settled or recorded', { exchange: progress.accepted.id, error: thrown });
  }
  finish(progress, walked, outlet);
  measure(walk, progress, walked);
  tell(walk, progress);
  leave();
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
  if (request.arrival.headers['x-llm-dry-run'] !== undefined) return dryRunWalked(decided, outlet);
  const approving = approve(walk, decided);
  const approved = approving instanceof Promise ? await approving : approving;
  let admitted: Admitted;
  try {
    admitted = await admit(walk, approved);
  } catch (thrown) {
    admitted = await admitInstead(walk, approved, thrown);
  }
  progress.admitted = admitted;
  const attempts = new Attempts(admitted);
  progress.attempts = attempts;
  await walk.trail.begin(intentOf(admitted));
  // Only now: where the intent cannot be written the call is not made, and the approval is for another try.
  if (admitted.approval !== undefined) await useApproval(walk, admitted.approval, admitted.verdict.decision);
  const lease = leaseOf(walk, admitted);
  progress.lease = lease;
  const answered = await attempt(walk, admitted, attempts, lease);
  const head = new ReplyHead(outlet, answered.status, answerHeaders(admitted, answered, attempts));
  const guarding = guard(walk, admitted, answered, outlet, head);
  const guarded = guarding instanceof Promise ? await guarding : guarding;
  progress.guarded = guarded;
  reportEnd(admitted, answered, guarded);
  const { ending, failure, tail } = guarded;
  if (failure !== undefined && !head.sent) throw failure;
  return { ending, failure, tail, head };
}

function leaseOf(walk: Walk, admitted: Admitted): Lease {
  const [first] = admitted.candidates;
  const throttles = first === undefined ? [] : throttleRates(admitted, admitted.verdict.decision, first);
  return new Lease(walk, admitted, intentOf, throttles);
}

/** Tells a candidate's health how its reply came to its end; who ended it otherwise says nothing of the provider. */
function reportEnd({ pinned: { health } }: Admitted, { candidate }: Answered, { ending, failure }: Guarded): void {
  if (ending === 'complete') health.report(candidate, { kind: 'completed' });
  else if (failure?.fault === 'provider') health.report(candidate, { kind: 'broken', failure });
}

function dryRunWalked(decided: Parameters<typeof dryRun>[0], outlet: Outlet): Walked {
  const { tail, headers } = dryRun(decided);
  return { ending: 'complete', failure: undefined, tail, head: new ReplyHead(outlet, 200, HeaderList.of(headers)) };
}

/** What a thrown failure becomes: a status line in the caller's format. */
function failed(walk: Walk, progress: Progress, outlet: Outlet, thrown: unknown): Walked {
  const { accepted, admitted, attempts, guarded } = progress;
  let failure = failureOf(thrown);
  if (failure === clientGone) {
    return {
      ending: 'aborted',
      failure: undefined,
      tail: Buffer.alloc(0),
      head: new ReplyHead(outlet, 499, new HeaderList()),
    };
  }
  if (failure instanceof Denial) {
    progress.denied = failure.decision;
    progress.deniedOn = failure.facts;
  }
  if (failure instanceof ApprovalRequired) progress.asked = failure.approval;
  if (failure.code === 'internal_error')
    walk.log.error('an exchange failed inside', { exchange: accepted.id, error: failure.detail.cause });
  // What a provider refused in words is cleaned like a reply.
  if (admitted !== undefined && attempts !== undefined && guarded === undefined)
    failure = cleanThrown(failure, admitted.pinned, attempts.verdict.facts);
  const { requestId } = accepted;
  return {
    ending: guarded?.ending ?? endingOf(failure),
    failure,
    tail: accepted.arrival.format.failureBody(failure, requestId),
    head: new ReplyHead(outlet, failure.status, HeaderList.of(failureHeaders(failure, requestId, attempts))),
  };
}

/** What the exchange cost; undefined where it was never admitted. */
function costOf(walk: Walk, { admitted, attempts, guarded }: Progress): Cost | Promise<Cost> | undefined {
  if (admitted === undefined || attempts === undefined) return undefined;
  return finalCost(walk, admitted, attempts, guarded?.meter);
}

/** Puts the exchange into the trail, and what it came to where the next one looks for it. */
function record(walk: Walk, progress: Progress, walked: Walked): Promise<void> {
  const { admitted, attempts, guarded, cost } = progress;
  if (admitted !== undefined && attempts !== undefined && cost !== undefined) {
    learn(walk, progress, admitted, attempts, cost);
    progress.settled = decideSettled(walk, admitted, attempts, guarded, cost);
  }
  return walk.trail.end(recordOf(walk, progress, walked.ending, walked.failure));
}

/** A reply that came to its own end shapes the first hold of the next; one that costs more than was held is told. */
function learn(walk: Walk, { guarded, lease }: Progress, admitted: Admitted, attempts: Attempts, cost: Cost): void {
  if (admitted.hold.kept) {
    const over = cost.nusd - (lease?.amount ?? admitted.hold.amount).nusd;
    if (over > 0) walk.metrics.debt(over);
  }
  const { candidate, verdict } = attempts;
  const { output } = cost.usage;
  if (candidate === undefined || output === undefined || guarded?.ending !== 'complete') return;
  if (sentView(admitted, verdict).choices > 1) return;
  walk.outputs.add(repliesOf(admitted.identity.caller, candidate.provider.id, candidate.model), output);
}

/** Hold to cost; undefined where nothing is held. */
function settleHeld(walk: Walk, { admitted, attempts, guarded, cost }: Progress): Promise<void> | undefined {
  if (admitted === undefined || attempts === undefined || cost === undefined) return undefined;
  // Where nobody answered it is whoever fell silent that may bill, and not who refused after that.
  const candidate = guarded === undefined ? (attempts.silent ?? attempts.candidate) : attempts.candidate;
  const labels = labelsOf(admitted.identity.caller, candidate?.provider.id, candidate?.model);
  return settle(walk, admitted, cost, attempts.sent || guarded !== undefined, labels);
}

/** Whoever waits for room may find some now. */
function makeRoom(walk: Walk, { admitted, attempts }: Progress): void {
  if (walk.waiting.size === 0 || admitted === undefined || attempts === undefined) return;
  const last = attempts.candidate ?? admitted.candidates[0];
  freed(walk, admitted, last === undefined ? [] : throttleRates(admitted, attempts.verdict.decision, last));
}

function finish(progress: Progress, { failure, tail, head }: Walked, outlet: Outlet): void {
  if (outlet.gone) return;
  const { cost } = progress;
  const streamed = progress.guarded !== undefined && progress.read?.view.stream === true && failure === undefined;
  const told = cost === undefined || failure !== undefined ? undefined : costUsd(cost);
  if (streamed) head.sendStream();
  else if (told !== undefined) head.headers.add('x-llm-cost-usd', told);
  head.send();
  outlet.end(tail, streamed && told !== undefined ? { 'x-llm-cost-usd': told } : undefined);
}

/** Rules that ask for somebody to be told. */
function tell(walk: Walk, { accepted, denied, attempts, guarded, settled }: Progress): void {
  askAttention(walk, accepted, denied ?? attempts?.verdict.decision);
  askAttention(walk, accepted, guarded?.decision);
  askAttention(walk, accepted, settled);
}

function measure(walk: Walk, progress: Progress, { head }: Walked): void {
  const { accepted, identified, attempts, cost, guarded, inspected, settled } = progress;
  const decision = progress.denied ?? attempts?.verdict.decision ?? progress.decided?.verdict.decision;
  const upstream = upstreamMs(attempts);
  const firstToken = attempts?.firstToken_ms;
  walk.metrics.exchange({
    team: identified?.identity.caller.team.id,
    model: attempts?.candidate?.model,
    provider: attempts?.candidate?.provider.id,
    decision: decision?.decision ?? 'none',
    status: head.status,
    overhead_s: ownTime(walk, accepted, attempts, progress.read?.view.stream === true) / 1000,
    upstream_s: upstream === undefined ? undefined : upstream / 1000,
    first_token_s: firstToken === undefined ? undefined : firstToken / 1000,
    usage: cost?.usage,
    cost_nusd: cost?.nusd ?? 0,
  });
  countRules(walk, decision);
  countRules(walk, guarded?.decision);
  countRules(walk, settled);
  if (attempts !== undefined && attempts.notes.length > 1)
    for (const note of attempts.notes.slice(1)) walk.metrics.retry(note.provider);
  if (guarded !== undefined) for (const { span } of guarded.found) walk.metrics.finding(span.rail, span.type);
  if (inspected !== undefined)
    for (const { finding } of inspected.found) walk.metrics.finding(finding.rail, finding.type);
}
