import type { CallerRate } from '../callers/index.ts';
import type { Decision, Throttle } from '../policy/index.ts';
import type { Candidate } from '../providers/index.ts';
import type { Scope } from '../stores/index.ts';
import type { Identified } from './identify.ts';
import { scopeId } from './scopes.ts';

const none: readonly CallerRate[] = Object.freeze([]);

/** What the rules of a decision limit, as rates of the ledger: they are held with the call's other limits, or not at all. */
export function throttleRates(
  identified: Identified,
  decision: Decision,
  { model }: Pick<Candidate, 'model'>,
): readonly CallerRate[] {
  const { throttles } = decision.modifications;
  if (throttles === undefined) return none;
  return throttles.map((throttle) => ({
    scope: scopeOf(identified, throttle.per, model),
    unit: throttle.unit,
    limit: throttle.limit,
    window_ms: throttle.window_ms,
    rule: throttle.rule,
    ...(throttle.queue_ms === 0 ? {} : { queue_ms: throttle.queue_ms }),
  }));
}

/** Whoever has no user or no project is counted by the key: nobody slips through by leaving a name out. */
function scopeOf({ identity }: Identified, per: Throttle['per'], model: string): Scope {
  if (per === 'model') return { kind: per, id: model };
  const id = scopeId(identity.caller, per);
  return id === undefined ? { kind: 'key', id: identity.caller.key.id } : { kind: per, id };
}
