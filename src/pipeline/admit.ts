import { Failure } from '../exchange/index.ts';
import { type Candidate, price, pricesMedia, worstUsage } from '../providers/index.ts';
import {
  type Amount,
  type BudgetState,
  HoldGone,
  LedgerUnavailable,
  type RateState,
  type Refusal,
  type Reserved,
} from '../stores/index.ts';
import { enrich } from './accept.ts';
import type { Decided, Verdict } from './decide.ts';
import { figuresFor } from './decide.ts';
import { inputTokensMax, type OutputBound } from './estimate.ts';
import { fitted } from './fitted.ts';
import type { Lease } from './lease.ts';
import { usageBudgets } from './money-facts.ts';
import type { Walk, WalkLimits } from './walk.ts';

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
export interface Admitted extends Decided {
  readonly hold: Hold;
}

/** One atomic reserve over every budget and rate of the call. Throws 429, 403 `price_unknown`, 503 `state_unavailable`. */
export async function admit(walk: Walk, decided: Decided): Promise<Admitted> {
  const [candidate] = decided.candidates;
  if (candidate === undefined) throw new Failure('internal_error', 'No candidate is left to reserve for.');
  const { identity } = decided;
  const worst = worstCase(walk, decided, candidate, decided.verdict);
  const hold = await fitted(walk, decided, candidate, decided.verdict, worst, (amount) =>
    walk.ledger.reserve({
      id: decided.id,
      organization: identity.caller.organization.id,
      amount,
      budgets: [...identity.budgets, ...usageBudgets(decided, decided.wanted)],
      rates: identity.rates,
      lease_ms: decided.pinned.limits.lease_ms,
      owner: walk.owner,
    }),
  );
  return enrich(decided, { hold });
}

/** The same hold, for another candidate: a new worst case, all or nothing. */
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
  return fitted(walk, admitted, candidate, verdict, worst, (amount) => lease.hold(amount, candidate));
}

export interface Worst {
  readonly amount: Amount;
  readonly inputTokens: number;
  readonly output: OutputBound;
}

/** Upper bound of what the call may cost before its hold is extended. Throws `price_unknown` under a money budget. */
export function worstCase(walk: Walk, decided: Decided, candidate: Candidate, verdict: Verdict): Worst {
  const { view } = decided;
  const { output } = figuresFor(walk, decided, candidate, verdict.decision.modifications.capMaxTokens);
  const inputTokens = inputTokensMax(view, candidate);
  return { inputTokens, output, amount: amountFor(decided, candidate, inputTokens, output.held) };
}

/** Money and tokens of a call with this input and this output a choice, at the dearest tier the request can reach. */
export function amountFor(decided: Decided, candidate: Candidate, input: number, output: number): Amount {
  const { view, identity } = decided;
  const tokens = input + output * view.choices;
  const nusd = dearest(decided, candidate, input, output);
  if (nusd === undefined) {
    if (identity.budgets.some((budget) => budget.unit === 'nusd' && budget.hard)) {
      throw new Failure(
        'price_unknown',
        `Nobody told the price of '${candidate.model}' at '${candidate.provider.id}', and a money budget is in force.`,
        {
          param: 'model',
          extra: { provider: candidate.provider.id, model: candidate.model },
        },
      );
    }
    return { nusd: 0, tokens };
  }
  return { nusd, tokens };
}

/** The worst case's price: at the dearest reading of its tokens, and of the tier the client asked for. */
function dearest(
  { view, at_ms }: Decided,
  { price: book }: Candidate,
  input: number,
  output: number,
): number | undefined {
  if (book === undefined) return undefined;
  const options = view.serviceTier === undefined ? {} : { serviceTier: view.serviceTier };
  const media = pricesMedia(book, at_ms);
  const bounds = {
    input,
    output: output * view.choices,
    cacheWrites: view.cacheWrites,
    // A body that has audio, or asks for it, has the word somewhere.
    audio: media && view.bytes.includes('audio'),
    images: media && view.hasImages,
  };
  return price(book, worstUsage(book, bounds, at_ms, options), at_ms, options);
}

/**
 * What a verb of the ledger holds for this worst case. Throws 429 where it refuses, and `state_unavailable` (503) where it
 * is lost and its limits say closed.
 */
export async function held<W>(
  { on_loss }: WalkLimits,
  worst: W,
  verb: () => Promise<Reserved>,
): Promise<W & Pick<Hold, 'budgets' | 'rates' | 'kept'>> {
  let reserved: Reserved;
  try {
    reserved = await verb();
  } catch (thrown) {
    if (!(thrown instanceof LedgerUnavailable || thrown instanceof HoldGone)) throw thrown;
    if (on_loss === 'open') return { ...worst, amount: { nusd: 0, tokens: 0 }, budgets: [], rates: [], kept: false };
    throw new Failure('state_unavailable', 'Budgets cannot be checked now, so nothing is sent.', {
      retryAfterSeconds: 1,
      cause: thrown,
    });
  }
  if (reserved.outcome === 'refused') throw new Refused(reserved.refusal);
  return { ...worst, budgets: reserved.budgets, rates: reserved.rates, kept: true };
}

/** A limit refused: 429, in words that say which one, its limit, spent, held, and when it turns. */
export class Refused extends Failure {
  readonly refusal: Refusal;

  constructor(refusal: Refusal) {
    const { code, message, detail } = refused(refusal);
    super(code, message, detail);
    this.refusal = refusal;
  }
}

const nanoPerUsd = 1e9;

function refused(refusal: Refusal): Failure {
  return refusal.kind === 'budget' ? budgetRefused(refusal) : rateRefused(refusal);
}

function budgetRefused(refusal: Extract<Refusal, { kind: 'budget' }>): Failure {
  const { budget, spent, held: holding, asked } = refusal;
  const { scope, window, unit, limit } = budget;
  const say = (amount: number): string => (unit === 'nusd' ? `$${usd(amount)}` : `${amount} ${unit}`);
  const resets = refusal.resets_at_ms === 0 ? null : new Date(refusal.resets_at_ms).toISOString();
  const figures =
    unit === 'nusd'
      ? {
          limit_usd: limit / nanoPerUsd,
          spent_usd: spent / nanoPerUsd,
          held_usd: holding / nanoPerUsd,
          asked_usd: asked / nanoPerUsd,
        }
      : { limit, spent, held: holding, asked };
  // Only what other calls hold stands in the way: some of it comes back in a moment.
  const waits = spent + asked <= limit;
  const when = resets === null ? '' : ` It resets at ${resets}.`;
  return new Failure(
    'insufficient_quota',
    `The ${window} budget of ${scope.kind} '${scope.id}' does not allow this call: limit ${say(limit)}, spent ${say(spent)}, held by running calls ${say(holding)}, this call may take ${say(asked)}.${when}`,
    {
      ...(waits ? { retryAfterSeconds: 1 } : {}),
      extra: {
        scope: scope.kind,
        scope_id: scope.id,
        window,
        unit: unit === 'nusd' ? 'usd' : unit,
        ...figures,
        resets_at: resets,
      },
    },
  );
}

function rateRefused(refusal: Extract<Refusal, { kind: 'rate' }>): Failure {
  const { scope, unit, limit, window_ms } = refusal.rate;
  const seconds = Math.max(1, Math.ceil(refusal.retry_after_ms / 1000));
  const per = unit === 'concurrent' ? 'at once' : `per ${window_ms / 1000} s`;
  return new Failure(
    'rate_limit_exceeded',
    `The rate of ${scope.kind} '${scope.id}' is reached: ${limit} ${unit === 'concurrent' ? 'calls' : unit} ${per}. Try again in ${seconds} s.`,
    {
      retryAfterSeconds: seconds,
      extra: {
        scope: scope.kind,
        scope_id: scope.id,
        unit,
        limit,
        used: refusal.used,
        remaining: refusal.remaining,
        asked: refusal.asked,
        window_ms,
        resets_in_seconds: Math.ceil(refusal.reset_ms / 1000),
      },
    },
  );
}

/** Dollars with as many decimals as the amount has, at least two. */
function usd(nano: number): string {
  const text = (nano / nanoPerUsd).toFixed(9).replace(/0+$/, '');
  const [whole = '0', cents = ''] = text.split('.');
  return `${whole}.${cents.padEnd(2, '0')}`;
}
