import { Failure } from '../exchange/index.ts';
import { backoff_ms, type Candidate, fallsBack, type HeaderList, retryable } from '../providers/index.ts';
import { type Admitted, admitAgain, type Hold } from './admit.ts';
import { budgetStep } from './admit-instead.ts';
import type { Attempts } from './attempts.ts';
import { judge, passes, type Verdict } from './decide.ts';
import type { Lease } from './lease.ts';
import { Refused } from './refusal.ts';
import { nameOf } from './route.ts';
import { Try, timeLeft } from './try.ts';
import type { ReplySource } from './upstream.ts';
import type { Walk } from './walk.ts';

/** A provider answers: its status is good and its first frame is no error. Nothing has left to the client yet. */
export interface Answered {
  readonly candidate: Candidate;
  readonly verdict: Verdict;
  readonly hold: Hold;
  readonly lease: Lease;
  readonly source: ReplySource;
  /** The provider's, as they go to the client. */
  readonly headers: HeaderList;
  readonly status: number;
  readonly warnings: readonly string[];
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
        if (isUnpriced(thrown)) {
          // Not sent under a money budget: who comes after it may have a price.
          last ??= thrown;
          continue;
        }
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
      const one = new Try(walk, admitted, attempts, candidate, lease);
      let failure: Failure;
      try {
        const opened = one.open(await one.send());
        return opened instanceof Promise ? await opened : opened;
      } catch (thrown) {
        failure = await one.failed(thrown);
      }
      last = failure;
      if (admitted.abort.reason !== undefined) throw failure;
      if (!retryable(failure) || retry >= retriesOf(failure, attempts.verdict, admitted)) break;
      const wait = backoff_ms(failure, retry + 1, walk.random(), admitted.pinned.limits.retry);
      if (wait === undefined || wait >= timeLeft(walk, admitted)) break;
      await pause(wait, admitted);
      if (lease.owes && !(await holdsBoth(walk, admitted, attempts, candidate, lease))) throw failure;
    }
    if (last !== undefined && (!fallsBack(last) || timeLeft(walk, admitted) <= 0)) throw last;
  }
  throw (
    last ?? new Failure('no_healthy_provider', 'No provider for this model can be tried now.', { retryAfterSeconds: 5 })
  );
}

function isUnpriced(thrown: unknown): thrown is Failure {
  return thrown instanceof Failure && thrown.code === 'price_unknown';
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
  const before = [...admitted.substitutions, ...new Set(attempts.instead?.values())];
  const tried = [admitted.view.model, from, ...before.map(({ to }) => to)];
  const step = budgetStep(refused, from, tried);
  if (step === undefined) return [];
  const known = new Set(candidates.map(nameOf));
  const next = admitted.pinned.catalog.resolve(step.to, walk.random()).filter((one) => !known.has(nameOf(one)));
  attempts.instead ??= new Map();
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
