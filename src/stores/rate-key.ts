import type { Amount, Rate, ScopeKind } from './ledger.ts';
import { scopeKey } from './window-key.ts';

/** Parts into which a sliding window, of a rate or a rolling budget, is cut. */
const slots = 60;

/**
 * `rate:team:research:requests:60000`, `rate:team:research:concurrent`, and of a rule
 * `rate:team:research:requests:60000:free-tier%2Fslow`: the limit is no part of it, so that it may change.
 */
export function rateKey(rate: Rate): string {
  const scope = scopeKey(rate.scope);
  if (rate.rule !== undefined) return `rate:${scope}:${rate.unit}:${rate.window_ms}:${encodeURIComponent(rate.rule)}`;
  return rate.unit === 'concurrent' ? `rate:${scope}:concurrent` : `rate:${scope}:${rate.unit}:${rate.window_ms}`;
}

/** An amount whose input is named only where there is any. */
export function amountOf(nusd: number, tokens: number, input: number): Amount {
  return input === 0 ? { nusd, tokens } : { nusd, tokens, input };
}

/** What a call takes of a rate. */
export function sizeIn(unit: Rate['unit'], amount: Amount): number {
  if (unit === 'tokens') return amount.tokens;
  if (unit === 'input_tokens') return amount.input ?? 0;
  if (unit === 'output_tokens') return amount.tokens - (amount.input ?? 0);
  return 1;
}

/**
 * How a sliding window is counted: in slots of a sixtieth of it, and a slot counts in full until the last moment of it
 * is a whole window old. So no window of that length, wherever it starts, ever holds more than the limit; the price is
 * that capacity comes back up to a sixtieth late.
 */
export function slotting(window_ms: number): { readonly slot_ms: number; readonly count: number } {
  const slot_ms = Math.max(1, Math.ceil(window_ms / slots));
  return { slot_ms, count: Math.ceil(window_ms / slot_ms) + 1 };
}

/** What a key says of its rate. */
export function rateOfKey(key: string, limit: number): Rate {
  const [, kind = '', id = '', unit = '', window_ms = '0', rule] = key.split(':');
  return {
    scope: { kind: kind as ScopeKind, id: decodeURIComponent(id) },
    unit: unit as Rate['unit'],
    limit,
    window_ms: Number(window_ms),
    ...(rule === undefined ? {} : { rule: decodeURIComponent(rule) }),
  };
}
