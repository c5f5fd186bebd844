import type { Amendment, Amount, Budget, Labels, Override, Rate, ReserveRequest, Settlement } from './ledger.ts';
import { seriesKey } from './window-key.ts';

const label_characters_max = 4_096;
const rolling_ms_max = 366 * 86_400_000;
const word = /^[\x21-\x7e]{1,200}$/;

/** Throws `TypeError` for anything a sum of money must not be built on, `RangeError` for a limit above 2^53. */
export function checkReserve(request: ReserveRequest): void {
  checkId(request.id, request.organization);
  checkAmount(request.amount);
  checkCount('lease_ms', request.lease_ms);
  if (typeof request.owner !== 'string' || request.owner === '') throw new TypeError('owner must be a name');
  checkLimits(request.budgets, request.rates);
  checkLabels(request.labels);
}

export function checkAmendment(amendment: Amendment): void {
  checkId(amendment.id, amendment.organization);
  checkAmount(amendment.amount);
  checkCount('lease_ms', amendment.lease_ms);
  checkLimits(amendment.budgets, amendment.rates);
}

export function checkSettlement(settlement: Settlement): void {
  checkId(settlement.id, settlement.organization);
  checkAmount(settlement.amount);
  checkLabels(settlement.labels);
}

export function checkOverride(organization: string, { budget, limit, expires_at_ms }: Override): void {
  checkId('-', organization);
  checkLimits([{ ...budget, limit, hard: true, warnPercent: [] }], []);
  seriesKey(budget);
  if (expires_at_ms !== undefined) checkCount('expires_at_ms', expires_at_ms);
}

export function checkId(id: string, organization: string): void {
  if (typeof id !== 'string' || !word.test(id)) throw new TypeError('id must be 1 to 200 visible ASCII characters');
  if (typeof organization !== 'string' || organization === '') throw new TypeError('organization must be a name');
}

function checkAmount(amount: Amount): void {
  checkCount('amount.nusd', amount.nusd);
  checkCount('amount.tokens', amount.tokens);
  if (amount.input === undefined) return;
  checkCount('amount.input', amount.input);
  if (amount.input > amount.tokens) throw new TypeError('amount.input must be part of amount.tokens');
}

function checkLabels(labels: Labels | undefined): void {
  if (labels === undefined) return;
  let characters = 0;
  for (const name in labels) {
    const value = labels[name];
    if (typeof value !== 'string') throw new TypeError(`label '${name}' must be text`);
    characters += name.length + value.length;
  }
  if (characters > label_characters_max) {
    throw new RangeError(`labels of ${characters} characters: at most ${label_characters_max} are kept`);
  }
}

/** Non-negative integers below 2^53 only: what is beyond is not exact, and money must be. */
function checkCount(name: string, value: number): void {
  if (!Number.isSafeInteger(value) || value < 0) {
    throw new TypeError(`${name} must be a non-negative integer below 2^53, not ${value}`);
  }
}

export function checkLimits(budgets: readonly Budget[], rates: readonly Rate[]): void {
  for (const budget of budgets) {
    checkLimit(budget.limit);
    if (budget.window === 'rolling') checkRolling(budget.rolling_ms);
  }
  for (const rate of rates) {
    checkLimit(rate.limit);
    if (rate.unit === 'concurrent') continue;
    if (!Number.isSafeInteger(rate.window_ms) || rate.window_ms < 1) {
      throw new TypeError(`window_ms of a rate must be a positive integer, not ${rate.window_ms}`);
    }
  }
}

/** Whole seconds, as the counter's key tells them, and no longer than a leap year. */
function checkRolling(length_ms: number | undefined): void {
  if (Number.isSafeInteger(length_ms) && Number(length_ms) % 1_000 === 0) {
    if (Number(length_ms) >= 1_000 && Number(length_ms) <= rolling_ms_max) return;
  }
  throw new TypeError(`rolling_ms must be whole seconds, from 1000 to ${rolling_ms_max}, not ${length_ms}`);
}

function checkLimit(limit: number): void {
  if (typeof limit === 'number' && limit > Number.MAX_SAFE_INTEGER && limit !== Number.POSITIVE_INFINITY) {
    throw new RangeError(`limit ${limit} is above 2^53: sums that large are not exact`);
  }
  checkCount('limit', limit);
}
