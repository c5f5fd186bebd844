import { Failure } from '../exchange/index.ts';
import { type Refusal, type Reserved, refusalsOf } from '../stores/index.ts';
import { type CallLimits, ownBudget } from './call-limits.ts';

const nanoPerUsd = 1e9;

type BudgetRefusal = Extract<Refusal, { kind: 'budget' }>;

/** A budget that names a model to go on with. */
export interface Substituting extends Pick<BudgetRefusal, 'budget'> {
  readonly to: string;
}

/** Limits had no room for the call. The one that lasts longest is told. */
export class Refused extends Failure {
  readonly refusal: Refusal;
  /** Of the first budget that refuses, where it names another model. */
  readonly instead: Substituting | undefined;

  constructor(refused: Extract<Reserved, { outcome: 'refused' }>, limits: CallLimits) {
    const { refusal } = refused;
    const { code, message, detail } = refusal.kind === 'budget' ? budgetRefused(refusal, limits) : rateRefused(refusal);
    super(code, message, detail);
    this.refusal = refusal;
    this.instead = insteadOf(refusalsOf(refused), limits);
  }
}

function insteadOf([first]: readonly [Refusal, ...Refusal[]], limits: CallLimits): Substituting | undefined {
  if (first.kind !== 'budget') return undefined;
  const to = ownBudget(limits, first.budget)?.substituteModel;
  return to === undefined ? undefined : { budget: first.budget, to };
}

type Told = Pick<Failure, 'code' | 'message' | 'detail'>;

function budgetRefused(refusal: BudgetRefusal, limits: CallLimits): Told {
  const { budget, limit, spent, held, asked, resets_at_ms } = refusal;
  const { scope, unit } = budget;
  const window = windowName(budget);
  const say = (amount: number): string => (unit === 'nusd' ? `$${usd(amount)}` : `${amount} ${unit}`);
  const resets = resets_at_ms === 0 ? null : new Date(resets_at_ms).toISOString();
  const scale = unit === 'nusd' ? nanoPerUsd : 1;
  const suffix = unit === 'nusd' ? '_usd' : '';
  const configured = ownBudget(limits, budget)?.limit ?? limit;
  const when = resets === null ? '' : ` It resets at ${resets}.`;
  const raised = configured === limit ? '' : ` (${say(configured)} without the override in force)`;
  return {
    code: 'insufficient_quota',
    message: `The ${window} budget of ${scope.kind} '${scope.id}' does not allow this call: limit ${say(limit)}${raised}, spent ${say(spent)}, held by running calls ${say(held)}, this call may take ${say(asked)}.${when}`,
    detail: {
      ...retry(refusal, limits),
      extra: {
        scope: scope.kind,
        scope_id: scope.id,
        window,
        unit: unit === 'nusd' ? 'usd' : unit,
        [`limit${suffix}`]: limit / scale,
        ...(configured === limit ? {} : { [`configured_limit${suffix}`]: configured / scale }),
        [`spent${suffix}`]: spent / scale,
        [`held${suffix}`]: held / scale,
        [`asked${suffix}`]: asked / scale,
        resets_at: resets,
      },
    },
  };
}

/**
 * When to come back, if at all. What only running calls hold comes back in a moment; a budget that throttles asks callers
 * back when its window turns. A spent budget is not to be hammered: no time is promised.
 */
function retry(
  { budget, limit, spent, asked, resets_at_ms, resets_in_ms }: BudgetRefusal,
  limits: CallLimits,
): Pick<Failure['detail'], 'retryable' | 'retryAfterSeconds'> {
  const throttles = ownBudget(limits, budget)?.onExceed === 'throttle' && asked <= limit;
  const retryable = throttles ? { retryable: true } : {};
  if (spent + asked <= limit) return { ...retryable, retryAfterSeconds: 1 };
  if (!throttles || resets_at_ms === 0) return {};
  return { ...retryable, retryAfterSeconds: Math.max(1, Math.ceil(resets_in_ms / 1000)) };
}

function rateRefused(refusal: Extract<Refusal, { kind: 'rate' }>): Told {
  const { scope, unit, limit, window_ms, rule } = refusal.rate;
  const seconds = Math.max(1, Math.ceil(refusal.retry_after_ms / 1000));
  // Larger than the limit itself: no time makes room for it.
  const never = refusal.asked > limit;
  const per = unit === 'concurrent' ? 'at once' : `per ${window_ms / 1000} s`;
  const what = unit === 'concurrent' ? 'calls' : unit.replace('_', ' ');
  return {
    code: 'rate_limit_exceeded',
    message: never
      ? `The rate of ${scope.kind} '${scope.id}' never allows this call: ${limit} ${what} ${per}, and it may take ${refusal.asked}.`
      : `The rate of ${scope.kind} '${scope.id}' is reached: ${limit} ${what} ${per}. Try again in ${seconds} s.`,
    detail: {
      ...(never ? { retryable: false } : { retryAfterSeconds: seconds }),
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
        ...(rule === undefined ? {} : { policy: rule.slice(0, rule.lastIndexOf('/')), rule }),
      },
    },
  };
}

/** `day`, or `24 hour` for one that rolls. */
export function windowName({ window, rolling_ms }: { readonly window: string; readonly rolling_ms?: number }): string {
  return window === 'rolling' && rolling_ms !== undefined ? `rolling ${rolling_ms / 3_600_000} hour` : window;
}

/** Dollars with as many decimals as the amount has, at least two. */
function usd(nano: number): string {
  const text = (nano / nanoPerUsd).toFixed(9).replace(/0+$/, '');
  const [whole = '0', cents = ''] = text.split('.');
  return `${whole}.${cents.padEnd(2, '0')}`;
}
