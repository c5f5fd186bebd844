import type { Obligation } from './decision.ts';
import { type Action, type Json, type LimitWish, limitWindows } from './policy.ts';
import { canonicalType } from './rails.ts';
import { type Params, withParams } from './template.ts';

/** Failures of a provider after which a call may be tried again. */
export const retryCodes: readonly string[] = ['upstream_error', 'upstream_timeout', 'upstream_unreachable'];

/** What a `throttle` may count. */
export const limitUnits = ['requests', 'tokens', 'concurrent'] as const;

/** A day, where a rule does not say how long its approval can be given and used. */
export const approvalTtl_seconds = 86_400;

/** What an action asks of the gateway, its parameters filled in; `rule` is `policy/rule`. */
export function obligationsOf(action: Action, rule: string, params: Params): Obligation[] {
  const list: Obligation[] = [];
  const text = (value: Json) => String(withParams(value, params));
  if (action.substitute_model !== undefined)
    list.push({ type: 'substitute_model', model: text(action.substitute_model), rule });
  if (action.cap_max_tokens !== undefined) {
    list.push(capOf(action.cap_max_tokens, rule, params));
  }
  if (action.redact !== undefined) {
    const { rails = [], patterns = [], literals = [] } = action.redact;
    list.push({
      type: 'redact',
      rails: rails.map(canonicalEntry),
      patterns: patterns.map(text),
      literals: literals.map(text),
      with: text(action.redact.with ?? `[REDACTED:\${type}]`),
      rule,
    });
  }
  if (action.set !== undefined) {
    const set = Object.fromEntries(
      Object.entries(action.set).map(([path, value]) => [path, withParams(value, params)]),
    );
    list.push({ type: 'set', set, rule });
  }
  if (action.remove !== undefined) list.push({ type: 'remove', remove: action.remove, rule });
  if (action.add_tags !== undefined) list.push({ type: 'add_tags', tags: action.add_tags, rule });
  if (action.route_to !== undefined) list.push({ type: 'route_to', candidates: action.route_to.map(text), rule });
  if (action.prepend_system !== undefined)
    list.push({ type: 'prepend_system', text: text(action.prepend_system), rule });
  if (action.retry !== undefined) {
    const { when = retryCodes, max } = action.retry;
    list.push({ type: 'retry', when, max: Number(withParams(max, params)), rule });
  }
  if (action.limit !== undefined) list.push(throttleOf(action.limit, action.queue_ms ?? 0, rule, params));
  if (action.role !== undefined) {
    const ttl_seconds = Number(withParams(action.ttl_seconds ?? approvalTtl_seconds, params));
    list.push({ type: 'approve', role: text(action.role), ttl_seconds, rule });
  }
  return list.map((obligation) => Object.freeze(obligation));
}

function capOf(cap: NonNullable<Action['cap_max_tokens']>, rule: string, params: Params): Obligation {
  const type = 'cap_max_tokens';
  if (cap === 'affordable') return { type, affordable: true, tokens_min: 1, rule };
  if (typeof cap !== 'object') return { type, tokens: Number(withParams(cap, params)), rule };
  return { type, affordable: true, tokens_min: Number(withParams(cap.affordable_tokens_min, params)), rule };
}

function canonicalEntry(entry: string): string {
  const [rail = '', type] = entry.split('/');
  return type === undefined ? rail : `${rail}/${canonicalType(rail, type)}`;
}

function throttleOf(limit: LimitWish, queue_ms: number | string, rule: string, params: Params): Obligation {
  const unit = limitUnits.find((one) => limit[one] !== undefined) ?? 'requests';
  return {
    type: 'throttle',
    unit,
    limit: Number(withParams(limit[unit] ?? 0, params)),
    per: limit.per,
    window_ms: limit.window === undefined ? 0 : limitWindows[limit.window],
    queue_ms: Number(withParams(queue_ms, params)),
    rule,
  };
}
