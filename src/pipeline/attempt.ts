import { type EncodedRequest, Failure } from '../exchange/index.ts';
import {
  backoff_ms,
  type Candidate,
  fallsBack,
  requestHeaders,
  retryable,
  type UpstreamReply,
} from '../providers/index.ts';
import { type Admitted, admitAgain, type Hold } from './admit.ts';
import { budgetStep } from './admit-decided.ts';
import type { Attempts } from './attempts.ts';
import { judge, passes, type Verdict } from './decide.ts';
import { encode, limitWarning } from './encode.ts';
import { errorBody } from './error-body.ts';
import type { Lease } from './lease.ts';
import { passedQuery } from './own-query.ts';
import { Refused } from './refusal.ts';
import { nameOf } from './route.ts';
import { unansweredCost } from './settle.ts';
import { ReplySource } from './upstream.ts';
import type { Walk } from './walk.ts';

/** A provider answers: its status is good and its first frame is no error. Nothing has left to the client yet. */
export interface Answered {
  readonly candidate: Candidate;
  readonly verdict: Verdict;
  readonly hold: Hold;
  readonly lease: Lease;
  readonly source: ReplySource;
  readonly headers: Readonly<Record<string, string>>;
  readonly status: number;
  readonly warnings: readonly string[];
  /** Monotonic ms at which the first frame was there. */
  readonly firstAt: number;
}

/**
 * Sends, retries and falls back, only while nothing has left to the client. Each new model is decided and reserved
 * again. Throws the last failure, or `no_healthy_provider`.
 */
export async function attempt(walk: Walk, admitted: Admitted, attempts: Attempts, lease: Lease): Promise<Answered> {
  let last: Failure | undefined;
  let { candidates } = admitted;
  for (let index = 0; index < candidates.length; index += 1) {
    const candidate = candidates[index];
    if (candidate === undefined || !admitted.pinned.health.healthy(candidate)) continue;
    if (index > 0) {
      // The limits and rules of the model finally used hold, not those of the one first asked (decide, then reserve).
      const verdict = judge(walk, admitted, candidate);
      if (!passes(verdict.decision, admitted.approved)) continue;
      try {
        attempts.hold = await admitAgain(walk, lease, admitted, candidate, verdict);
      } catch (thrown) {
        if (!(thrown instanceof Refused)) throw thrown;
        // No room for this one: what its budget names instead may fit, or who comes after it.
        last = thrown;
        candidates = candidates.toSpliced(
          index + 1,
          0,
          ...insteadOf(walk, admitted, attempts, candidates, index, thrown),
        );
        continue;
      }
      attempts.verdict = verdict;
    }
    attempts.candidate = candidate;
    for (let retry = 0; ; retry += 1) {
      // Called off while the ledger was asked: nothing is sent, so nothing is paid for.
      if (admitted.abort.reason !== undefined) throw admitted.abort.reason;
      const answer = await once(walk, admitted, attempts, candidate, lease);
      if (!(answer instanceof Failure)) return answer;
      last = answer;
      if (admitted.abort.reason !== undefined) throw answer;
      if (!retryable(answer) || retry >= retriesOf(answer, attempts.verdict, admitted)) break;
      const wait = backoff_ms(answer, retry + 1, walk.random(), admitted.pinned.limits.retry);
      if (wait === undefined || wait >= timeLeft(walk, admitted)) break;
      await pause(wait, admitted);
      if (lease.owes && !(await holdsBoth(walk, admitted, attempts, candidate, lease))) throw answer;
    }
    if (last !== undefined && (!fallsBack(last) || timeLeft(walk, admitted) <= 0)) throw last;
  }
  throw (
    last ?? new Failure('no_healthy_provider', 'No provider for this model can be tried now.', { retryAfterSeconds: 5 })
  );
}

/** Candidates of the model that a refusing budget names, where it was not among those to be tried. */
function insteadOf(
  walk: Walk,
  admitted: Admitted,
  attempts: Attempts,
  candidates: readonly Candidate[],
  index: number,
  refused: Refused,
): readonly Candidate[] {
  const from = candidates[index]?.model ?? admitted.view.model;
  const before = [...admitted.substitutions, ...new Set(attempts.instead.values())];
  const tried = [admitted.view.model, from, ...before.map(({ to }) => to)];
  const step = budgetStep(refused, from, tried);
  if (step === undefined) return [];
  const known = new Set(candidates.map(nameOf));
  const next = admitted.pinned.catalog.resolve(step.to, walk.random()).filter((one) => !known.has(nameOf(one)));
  for (const one of next) attempts.instead.set(one, step);
  return next;
}

/** Most tries of one candidate after the first: what a rule says of this failure, else what the configuration does. */
function retriesOf({ code }: Failure, { decision }: Verdict, { pinned }: Admitted): number {
  return decision.modifications.retries?.[code] ?? pinned.limits.retries;
}

/** Another try beside one that may be billed: both must be covered, or it is not made. */
async function holdsBoth(
  walk: Walk,
  admitted: Admitted,
  attempts: Attempts,
  candidate: Candidate,
  lease: Lease,
): Promise<boolean> {
  try {
    attempts.hold = await admitAgain(walk, lease, admitted, candidate, attempts.verdict);
    return true;
  } catch (thrown) {
    if (thrown instanceof Failure) return false;
    throw thrown;
  }
}

async function once(
  walk: Walk,
  admitted: Admitted,
  attempts: Attempts,
  candidate: Candidate,
  lease: Lease,
): Promise<Answered | Failure> {
  const started = walk.monotonic();
  const { provider } = candidate;
  // What an earlier try may have cost is not undone by this one's refusal.
  const sentBefore = attempts.sent;
  let sent = false;
  let status = 0;
  try {
    const sameFormat = provider.format.name === admitted.arrival.format.name;
    const encoded = encode(admitted, attempts, candidate);
    sent = true;
    attempts.sent = true;
    const reply = await send(walk, admitted, candidate, encoded, sameFormat);
    status = reply.status;
    const answered = await open(walk, admitted, attempts, candidate, lease, reply, encoded);
    admitted.pinned.health.report(candidate, { kind: 'answered', first_byte_ms: answered.firstAt - started });
    attempts.note(candidate, status, undefined, walk.monotonic() - started);
    return answered;
  } catch (thrown) {
    if (!(thrown instanceof Failure)) throw thrown;
    if (admitted.abort.reason === undefined)
      admitted.pinned.health.report(candidate, { kind: 'failed', failure: thrown });
    // What it told of its cost is paid, whatever else it said.
    const told = attempts.refusal?.failure === thrown ? attempts.refusal : undefined;
    const billed = sent && (told?.usage !== undefined || mayBeBilled(thrown, status));
    attempts.sent = sentBefore || billed;
    const cost = billed ? await unansweredCost(walk, admitted, attempts, candidate, told) : undefined;
    if (cost !== undefined) {
      attempts.unanswered.push(cost);
      lease.owe(cost);
    }
    attempts.note(candidate, status, thrown.code, walk.monotonic() - started, cost?.nusd);
    return thrown;
  }
}

/** A refusal is not billed, nor what was never sent; a call that fell silent after it was sent may be. */
export function mayBeBilled(failure: Failure, status: number): boolean {
  if (status >= 400 || failure.code === 'upstream_unreachable') return false;
  // The provider's own error in the first frame is a refusal whatever its status line said.
  if (failure.code === 'upstream_auth' || failure.detail.upstreamCode !== undefined) return false;
  return failure.detail.extra?.phase !== 'connect';
}

/** Milliseconds until the whole exchange must be over, all its attempts together. */
function timeLeft(walk: Walk, { pinned, started }: Admitted): number {
  return pinned.limits.timeout_ms - (walk.monotonic() - started);
}

function send(
  walk: Walk,
  admitted: Admitted,
  candidate: Candidate,
  encoded: EncodedRequest,
  sameFormat: boolean,
): Promise<UpstreamReply> {
  const { limits } = admitted.pinned;
  const { provider } = candidate;
  const left_ms = Math.max(1, Math.ceil(timeLeft(walk, admitted)));
  return provider.send({
    path: provider.requestPath(encoded, candidate) + passedQuery(admitted.arrival, provider.format).text,
    headers: requestHeaders(admitted.arrival.headers, sameFormat, encoded.headers),
    body: encoded.body,
    abort: admitted.abort,
    connect_timeout_ms: limits.connect_timeout_ms,
    first_byte_timeout_ms: admitted.view.stream ? limits.first_token_timeout_ms : left_ms,
    total_timeout_ms: left_ms,
  });
}

/** Looks at the first frame before anything is committed: an HTTP 200 may begin with an error. */
async function open(
  walk: Walk,
  admitted: Admitted,
  attempts: Attempts,
  candidate: Candidate,
  lease: Lease,
  reply: UpstreamReply,
  encoded: EncodedRequest,
): Promise<Answered> {
  const { format, quirks } = candidate.provider;
  const { limits } = admitted.pinned;
  if (reply.status < 200 || reply.status > 299) {
    const body = await errorBody(reply, admitted.abort);
    if (admitted.abort.reason !== undefined) throw admitted.abort.reason;
    const failure = format.upstreamFailure(reply.status, reply.headers, body);
    attempts.refusal = { failure, headers: reply.headers };
    throw failure;
  }
  const streamed = admitted.view.stream && (reply.headers['content-type'] ?? '').includes('text/event-stream');
  const usageInjected = streamed && !admitted.view.usageAsked && quirks.streamUsage === 'ask';
  const source = new ReplySource(reply, format, streamed, usageInjected, limits.reply_bytes_max);
  const calledOff = (reason: Failure): void => source.abort(reason);
  // A call that is called off hears no more of its provider: it must not wait.
  admitted.abort.attach(calledOff);
  const first = source.first();
  if (first !== undefined) await first;
  admitted.abort.detach(calledOff);
  if (admitted.abort.reason !== undefined) throw admitted.abort.reason;
  const failure = source.openingFailure();
  if (failure !== undefined) {
    const { keptUsage: usage, keptReply: whole } = source;
    source.abort(failure);
    attempts.refusal = { failure, headers: reply.headers, usage, whole };
    throw failure;
  }
  return {
    candidate,
    verdict: attempts.verdict,
    hold: attempts.hold,
    lease,
    source,
    headers: reply.headers,
    status: reply.status,
    warnings: [...encoded.warnings, ...limitWarning(attempts.hold), ...passedQuery(admitted.arrival, format).warnings],
    firstAt: walk.monotonic(),
  };
}

/** Waits, or throws at once when the exchange is called off. */
function pause(ms: number, admitted: Admitted): Promise<void> {
  return new Promise((resolve, reject) => {
    const calledOff = (reason: Failure): void => {
      clearTimeout(timer);
      reject(reason);
    };
    const timer = setTimeout(() => {
      admitted.abort.detach(calledOff);
      resolve();
    }, ms);
    admitted.abort.attach(calledOff);
  });
}
