import { Failure, type RequestView } from '../exchange/index.ts';
import { type Candidate, price } from '../providers/index.ts';
import {
  type Amount,
  type BudgetState,
  HoldGone,
  LedgerUnavailable,
  type OnLoss,
  onLossOf,
  type RateState,
  type Reserved,
  refusalsOf,
} from '../stores/index.ts';
import { richer } from './accept.ts';
import type { Approved } from './approve.ts';
import { type CallLimits, callLimits, modelLimits, namesOf } from './call-limits.ts';
import type { Decided, Verdict } from './decide.ts';
import { outputFor } from './decide.ts';
import { dearestUsage, feeUnknown, heldOutput, inputTokensMax, type OutputBound, pricedAs } from './estimate.ts';
import { fitted } from './fitted.ts';
import type { Identified } from './identify.ts';
import { labelsOf } from './labels.ts';
import type { Lease } from './lease.ts';
import { preambleTokensMax } from './preamble.ts';
import { Refused } from './refusal.ts';
import { sent, sentAsAsked, sentView } from './sent.ts';
import { throttleRates } from './throttle-rates.ts';
import type { Walk } from './walk.ts';

/** Money and rate held for this exchange. */
export interface Hold {
  readonly amount: Amount;
  readonly inputTokens: number;
  readonly output: OutputBound;
  readonly budgets: readonly BudgetState[];
  readonly rates: readonly RateState[];
  /** The limit that lowered `max_tokens` to what it affords, where a rule let it. */
  readonly limitedBy?: string;
  /** False where the ledger is lost and every limit says `open`: nothing is held, and the record says so. */
  readonly kept: boolean;
}

/** A request with its hold: it may be sent to the first candidate. */
export interface Admitted extends Approved {
  readonly hold: Hold;
}

/**
 * One atomic reserve over every budget and rate of the call, waiting in line where a limit lets calls wait. Throws 429,
 * 403 `price_unknown`, 503 `state_unavailable`.
 */
export async function admit(walk: Walk, decided: Approved): Promise<Admitted> {
  const [candidate] = decided.candidates;
  if (candidate === undefined) throw new Failure('internal_error', 'No candidate is left to reserve for.');
  const limits = limitsOf(decided, candidate);
  const worst = worstCase(walk, decided, candidate, decided.verdict);
  // Nearly every call: nobody is in line and there is room. It has the answer with one promise instead of six.
  let reserved: Reserved | undefined;
  if (walk.waiting.size === 0) {
    try {
      reserved = await reserve(walk, decided, candidate, limits, worst.amount);
    } catch (thrown) {
      return admitted(decided, { ...worst, ...unheld(decided, limits, thrown) });
    }
    if (reserved.outcome === 'held') return admitted(decided, holdOf(walk, decided, worst, reserved));
  }
  return admitInLine(walk, decided, candidate, limits, worst, reserved);
}

/** The same where others wait or there was no room; `refused` is what was said just before. */
async function admitInLine(
  walk: Walk,
  decided: Approved,
  candidate: Candidate,
  limits: CallLimits,
  worst: Worst,
  refused: Reserved | undefined,
): Promise<Admitted> {
  const ask = (amount: Amount): Promise<Reserved> => reserve(walk, decided, candidate, limits, amount);
  // Where a line has formed meanwhile, the refusal will be old when it is this call's turn.
  const told = walk.waiting.size === 0 ? refused : undefined;
  return admitted(decided, await fitted(walk, decided, candidate, decided.verdict, worst, limits, ask, told));
}

function admitted(decided: Approved, hold: Hold): Admitted {
  const request = richer<Admitted>(decided);
  request.hold = hold;
  return request;
}

function limitsOf(decided: Approved, candidate: Candidate): CallLimits {
  const throttles = throttleRates(decided, decided.verdict.decision, candidate);
  return callLimits(decided, namesOf(candidate), decided.wanted, throttles);
}

function reserve(
  { ledger, owner }: Walk,
  { id, identity, pinned }: Approved,
  { provider, model }: Candidate,
  { budgets, rates }: CallLimits,
  amount: Amount,
): Promise<Reserved> {
  const { caller } = identity;
  const organization = caller.organization.id;
  const { lease_ms } = pinned.limits;
  const labels = labelsOf(caller, provider.id, model);
  return ledger.reserve({ id, organization, amount, budgets, rates, lease_ms, owner, labels });
}

function holdOf(
  walk: Walk,
  { identity }: Approved,
  { amount, inputTokens, output }: Worst,
  { budgets, rates }: Extract<Reserved, { outcome: 'held' }>,
): Hold {
  walk.alerts.see(walk, identity.caller.organization.id, budgets);
  return { amount, inputTokens, output, budgets, rates, kept: true };
}

/** The same hold, for another candidate: a new worst case, under its model's limits as well, all or nothing. */
export async function admitAgain(
  walk: Walk,
  lease: Lease,
  admitted: Admitted,
  candidate: Candidate,
  verdict: Verdict,
): Promise<Hold> {
  const worst = worstCase(walk, admitted, candidate, verdict);
  if (!admitted.hold.kept) {
    const { limitedBy: _, ...hold } = admitted.hold;
    return { ...hold, ...worst };
  }
  const throttles = throttleRates(admitted, verdict.decision, candidate);
  const limits = callLimits(admitted, namesOf(candidate), admitted.wanted, throttles);
  return fitted(walk, admitted, candidate, verdict, worst, limits, (amount) =>
    lease.hold(amount, candidate, throttles),
  );
}

export interface Worst {
  readonly amount: Amount;
  readonly inputTokens: number;
  readonly output: OutputBound;
}

/** Upper bound of what the call may cost before its hold is extended. Throws `price_unknown` under a money budget. */
export function worstCase(walk: Walk, decided: Decided, candidate: Candidate, verdict: Verdict): Worst {
  const leaving = sentAsAsked(verdict) ? undefined : sent(decided, verdict);
  const view = leaving?.view ?? decided.view;
  const output = outputFor(walk, decided, candidate, verdict.decision.modifications.capMaxTokens, view);
  const inputTokens = inputTokensMax(view, candidate, leaving?.grownBytes) + preambleTokensMax(verdict.decision);
  return { inputTokens, output, amount: amountFor(decided, candidate, verdict, inputTokens, output) };
}

/** Money and tokens of a call with this input and this output, at the dearest tier the request can reach. */
export function amountFor(
  decided: Decided,
  candidate: Candidate,
  verdict: Verdict,
  input: number,
  bound: Pick<OutputBound, 'held' | 'predicted'>,
): Amount {
  const { identity } = decided;
  const view = sentView(decided, verdict);
  const output = heldOutput(bound, view.choices);
  const tokens = input + output;
  const nusd = dearest(view, decided.at_ms, candidate, input, output);
  const unpriced = nusd === undefined ? candidate.model : feeUnknown(view, decided.at_ms, candidate);
  if (unpriced !== undefined) {
    const { budgets } = modelLimits(decided, candidate);
    if ([...identity.budgets, ...budgets].some((budget) => budget.unit === 'nusd' && budget.hard)) {
      const of = nusd === undefined ? '' : ` for '${candidate.model}'`;
      throw new Failure(
        'price_unknown',
        `Nobody told the price of '${unpriced}'${of} at '${candidate.provider.id}', and a money budget is in force.`,
        {
          param: nusd === undefined ? 'model' : 'tools',
          extra: { provider: candidate.provider.id, model: candidate.model },
        },
      );
    }
  }
  return { nusd: nusd ?? 0, tokens, input };
}

/** The worst case's price: at the dearest reading of its tokens, and of the tier that is asked for. */
function dearest(
  view: RequestView,
  at_ms: number,
  candidate: Candidate,
  input: number,
  output: number,
): number | undefined {
  const { price: book } = candidate;
  if (book === undefined) return undefined;
  return price(book, dearestUsage(view, at_ms, candidate, input, output), at_ms, pricedAs(view));
}

/**
 * What a verb of the ledger holds for this worst case, waiting in line where the limit that refuses lets calls wait.
 * Throws 429 where it refuses, and `state_unavailable` (503) where it is lost and a limit of the call says closed.
 */
export async function held<W extends Pick<Worst, 'amount'>>(
  walk: Walk,
  identified: Identified,
  limits: CallLimits,
  worst: W,
  verb: () => Promise<Reserved>,
): Promise<W & Pick<Hold, 'budgets' | 'rates' | 'kept'>> {
  const { identity, pinned, abort, started } = identified;
  const organization = identity.caller.organization.id;
  let reserved: Reserved;
  try {
    const call = {
      organization,
      caller: turnOf(identity),
      limits,
      amount: worst.amount,
      abort,
      deadline: started + pinned.limits.timeout_ms,
    };
    reserved = await walk.waiting.take(call, verb);
  } catch (thrown) {
    return { ...worst, ...unheld(identified, limits, thrown) };
  }
  if (reserved.outcome === 'refused') {
    for (const one of refusalsOf(reserved)) if (one.kind === 'budget') walk.alerts.see(walk, organization, [one]);
    throw new Refused(reserved, limits);
  }
  walk.alerts.see(walk, organization, reserved.budgets);
  return { ...worst, budgets: reserved.budgets, rates: reserved.rates, kept: true };
}

/** What a call holds whose ledger is lost: nothing, where all its limits say so. Throws what was thrown otherwise, or 503. */
function unheld({ pinned }: Identified, limits: CallLimits, thrown: unknown) {
  if (!(thrown instanceof LedgerUnavailable || thrown instanceof HoldGone)) throw thrown;
  if (openOnLoss(limits, pinned.limits.on_loss)) {
    return { amount: { nusd: 0, tokens: 0 }, budgets: [], rates: [], kept: false };
  }
  throw new Failure('state_unavailable', 'Budgets cannot be checked now, so nothing is sent.', {
    retryAfterSeconds: 1,
    cause: thrown,
  });
}

/** Who takes turns with others in line: a person, or the key where none is known. */
function turnOf({ caller: { team, user, key } }: Identified['identity']): string {
  return user === undefined ? `key ${key.id}` : `user ${team.id} ${user.id}`;
}

/** Whether calls go on, with nothing held, while the ledger is lost. */
export function openOnLoss({ budgets, rates }: CallLimits, otherwise: OnLoss): boolean {
  return onLossOf(budgets, rates, otherwise) === 'open';
}
