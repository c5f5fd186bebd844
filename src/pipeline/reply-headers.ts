import { type Failure, failures } from '../exchange/index.ts';
import type { Decision } from '../policy/index.ts';
import { type HeaderList, replyHeaders } from '../providers/index.ts';
import type { RateState } from '../stores/index.ts';
import type { Accepted } from './accept.ts';
import type { Admitted, Hold } from './admit.ts';
import { substitutionsOf, substitutionWarnings } from './admit-instead.ts';
import type { Answered } from './attempt.ts';
import type { Attempts } from './attempts.ts';
import { budgetWarnings } from './budget-alerts.ts';
import { Refused } from './refusal.ts';
import type { Cost } from './settle.ts';
import type { Walk } from './walk.ts';

export type Headers = Record<string, string | string[]>;

/** Headers of a reply that a provider gave: its own, minus what is not the caller's business, plus ours. */
export function answerHeaders(admitted: Admitted, answered: Answered, attempts: Attempts): HeaderList {
  return letThroughHeaders(answered.headers, {
    requestId: admitted.requestId,
    provider: answered.candidate.provider.id,
    model: answered.candidate.model,
    decision: answered.verdict.decision,
    warnings: joined(substitutionWarnings(substitutionsOf(admitted, attempts)), answered.warnings),
    hold: answered.hold,
    attempts: attempts.notes.length,
    overhead_ms: attempts.overhead_ms ?? 0,
  });
}

/** What our own headers tell of a call that was let through. */
export interface LetThrough {
  readonly requestId: string;
  readonly provider: string;
  /** Missing where nobody read it. */
  readonly model?: string;
  readonly decision: Decision;
  /** Beside the decision's own. */
  readonly warnings: readonly string[];
  readonly hold: Pick<Hold, 'budgets' | 'rates'>;
  readonly attempts: number;
  readonly overhead_ms: number;
}

/** One list after the other. Nearly always one is empty, and then nothing is copied. */
function joined(first: readonly string[], second: readonly string[]): readonly string[] {
  if (second.length === 0) return first;
  return first.length === 0 ? second : [...first, ...second];
}

/** Adds ours to a provider's headers as the caller gets them: none of those is under a name of ours. */
export function letThroughHeaders(headers: HeaderList, told: LetThrough): HeaderList {
  const { decision, hold } = told;
  headers.add('x-request-id', told.requestId);
  headers.add('x-llm-provider', told.provider);
  if (told.model !== undefined) headers.add('x-llm-model', told.model);
  headers.add('x-llm-decision', decision.decision);
  const [rule] = decision.determining;
  if (rule !== undefined) headers.add('x-llm-policy', rule);
  const warnings = joined(joined(decision.warnings, told.warnings), budgetWarnings(hold.budgets));
  if (warnings.length > 0) headers.add('x-llm-warning', warnings.map(headerText));
  headers.add('x-llm-attempts', String(told.attempts));
  headers.add('x-llm-overhead-ms', told.overhead_ms.toFixed(2));
  for (const state of hold.rates) rateHeaders(headers, state);
  const remaining = remainingUsd(hold);
  if (remaining !== undefined) headers.add('x-llm-budget-remaining-usd', remaining.toFixed(6));
  return headers;
}

/** What the gateway itself took until `now` (monotonic ms): all the time but the attempts'. */
export function overhead(now: number, accepted: Accepted, attempts: Attempts): number {
  return Math.max(0, now - accepted.started - (upstreamMs(attempts) ?? 0));
}

/** What the gateway took of an exchange that is over. A stream's own time is the provider's: up to its first frame counts. */
export function ownTime(walk: Walk, accepted: Accepted, attempts: Attempts | undefined, streamed: boolean): number {
  if (attempts === undefined) return walk.monotonic() - accepted.started;
  return streamed && attempts.overhead_ms !== undefined
    ? attempts.overhead_ms
    : overhead(walk.monotonic(), accepted, attempts);
}

/** Milliseconds spent waiting for providers, up to their first frames; undefined where none was asked. */
export function upstreamMs(attempts: Attempts | undefined): number | undefined {
  if (attempts === undefined || attempts.notes.length === 0) return undefined;
  let upstream = 0;
  for (const { ms } of attempts.notes) upstream += ms;
  return upstream;
}

/** Makes the headers of a reply those of a stream. */
export function streamHeaders(headers: HeaderList): void {
  headers.set('content-type', 'text/event-stream; charset=utf-8');
  // Intermediaries buffer and compress streams unless told not to (PITFALLS 51).
  headers.add('cache-control', 'no-cache, no-transform');
  headers.add('x-accel-buffering', 'no');
  headers.add('trailer', 'x-llm-cost-usd');
}

export function costUsd(cost: Cost): string {
  return (cost.nusd / 1e9).toFixed(9);
}

/** Headers of a failure before the first byte: with the provider's own where it is the provider's refusal. */
export function failureHeaders(failure: Failure, requestId: string, attempts?: Attempts): Headers {
  const headers: Headers = attempts === undefined ? {} : refusalHeaders(failure, attempts);
  headers['content-type'] = 'application/json; charset=utf-8';
  headers['x-request-id'] = requestId;
  if (!failure.retryable) headers['x-should-retry'] = 'false';
  const after = failure.detail.retryAfterSeconds;
  if (after !== undefined) headers['retry-after'] = String(after);
  if (failures[failure.code].fault === 'policy') headers['x-llm-decision'] = 'deny';
  const { rule } = failure.detail.extra ?? {};
  if (typeof rule === 'string') headers['x-llm-policy'] = rule;
  // Who is refused learns of the limit from the same headers as who passed.
  if (failure instanceof Refused && failure.refusal.kind === 'rate' && failure.refusal.rate.unit !== 'concurrent') {
    const [limitName, leftName, resetName] = rateNames[failure.refusal.rate.unit];
    headers[limitName] = String(failure.refusal.rate.limit);
    headers[leftName] = String(failure.refusal.remaining);
    headers[resetName] = `${Math.ceil(failure.refusal.reset_ms / 1000)}s`;
  }
  if (failure instanceof Refused && failure.refusal.kind === 'budget') {
    const remaining = remainingUsd({ budgets: [failure.refusal] });
    if (remaining !== undefined) headers['x-llm-budget-remaining-usd'] = remaining.toFixed(6);
  }
  return headers;
}

/** Who was asked, and what it said in headers; nothing of a refusal of our own credentials. */
function refusalHeaders(failure: Failure, { refusal, candidate, notes }: Attempts): Headers {
  const headers: Headers =
    refusal?.failure === failure && failure.code !== 'upstream_auth' ? replyHeaders(refusal.headers) : {};
  if (candidate !== undefined && notes.length > 0) {
    headers['x-llm-provider'] = candidate.provider.id;
    headers['x-llm-model'] = candidate.model;
    headers['x-llm-attempts'] = String(notes.length);
  }
  return headers;
}

const tokenNames = ['x-ratelimit-limit-tokens', 'x-ratelimit-remaining-tokens', 'x-ratelimit-reset-tokens'] as const;

/** Spelled out: a name put together for each call has to be looked up among all names the engine knows. */
const rateNames = {
  requests: ['x-ratelimit-limit-requests', 'x-ratelimit-remaining-requests', 'x-ratelimit-reset-requests'],
  tokens: tokenNames,
  // Limits of one kind of token are told under the same names: the tightest is what a client must respect.
  input_tokens: tokenNames,
  output_tokens: tokenNames,
} as const;

/** The tightest of several limits is the one a client must respect. */
function rateHeaders(headers: HeaderList, { rate, remaining, reset_ms }: RateState): void {
  if (rate.unit === 'concurrent') return;
  const [limit, left, reset] = rateNames[rate.unit];
  const known = headers.get(left);
  if (known !== undefined && Number(known) <= remaining) return;
  const put = known === undefined ? 'add' : 'set';
  headers[put](limit, String(rate.limit));
  headers[put](left, String(Math.max(0, remaining)));
  headers[put](reset, `${Math.ceil(reset_ms / 1000)}s`);
}

/** What is left of the tightest money budget, this call's hold counted. */
function remainingUsd(hold: Pick<Hold, 'budgets'>): number | undefined {
  let least: number | undefined;
  for (const { budget, limit, spent, held } of hold.budgets) {
    if (budget.unit !== 'nusd') continue;
    const remaining = (limit - spent - held) / 1e9;
    if (least === undefined || remaining < least) least = remaining;
  }
  return least === undefined ? undefined : Math.max(0, least);
}

/** Header values are visible ASCII: anything else is escaped, and a warning is one line. */
function headerText(text: string): string {
  return text
    .replace(/[^\x20-\x7e]/g, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`)
    .slice(0, 512);
}
