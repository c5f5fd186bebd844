import { limitUnits } from './action-obligations.ts';
import type { ActionScope } from './parse-action.ts';
import { type Action, type Json, type LimitWindow, limitScopes, limitWindows } from './policy.ts';
import { defined, isObject, type JsonObject } from './reader.ts';
import type { Path } from './source.ts';
import { withParams } from './template.ts';

const windows = Object.keys(limitWindows) as readonly LimitWindow[];
const queue_ms_max = 600_000;
const ttl_seconds_max = 30 * 86_400;

/** Reads `limit: {requests | tokens | concurrent, per, window}` and `queue_ms` of a `throttle`. */
export function readThrottle(given: JsonObject, path: Path, scope: ActionScope): Pick<Action, 'limit' | 'queue_ms'> {
  const { reader } = scope;
  const place = [...path, 'limit'];
  if (given.limit === undefined) {
    reader.fault(path, 'throttle needs a limit, such as { requests: 10, per: user, window: minute }');
    return {};
  }
  const limit = reader.object(given.limit, place, [...limitUnits, 'per', 'window']);
  const units = limitUnits.filter((unit) => limit[unit] !== undefined);
  if (isObject(given.limit) && units.length !== 1)
    reader.fault(place, `a limit counts one of ${limitUnits.join(', ')}`);
  const per = reader.oneOf(limit.per, [...place, 'per'], limitScopes);
  if (isObject(given.limit) && limit.per === undefined) reader.fault(place, 'a limit needs per: whose calls it counts');
  const window = reader.oneOf(limit.window, [...place, 'window'], windows);
  const atOnce = limit.concurrent !== undefined;
  if (atOnce && limit.window !== undefined)
    reader.fault([...place, 'window'], 'calls at once have no window', undefined, 'key');
  if (!atOnce && units.length > 0 && limit.window === undefined)
    reader.fault(place, `a limit needs a window: ${windows.join(', ')}`);
  const figures = Object.fromEntries(
    units.map((unit) => [unit, figure(limit[unit], [...place, unit], scope, 1, 1_000_000_000_000)]),
  );
  return defined({
    limit: per === undefined ? undefined : defined({ ...figures, per, window }),
    queue_ms: figure(given.queue_ms, [...path, 'queue_ms'], scope, 0, queue_ms_max),
  });
}

/** Reads `role` and `ttl_seconds` of an `approve`. */
export function readApproval(given: JsonObject, path: Path, scope: ActionScope): Pick<Action, 'role' | 'ttl_seconds'> {
  const { reader } = scope;
  if (given.role === undefined) reader.fault(path, 'approve needs a role: who may approve');
  return defined({
    role: reader.text(given.role, [...path, 'role'], { max: 100, like: /^[\w.:/${}-]+$/, what: 'the name of a role' }),
    ttl_seconds: figure(given.ttl_seconds, [...path, 'ttl_seconds'], scope, 1, ttl_seconds_max),
  });
}

/** A whole number, or a parameter that is one. */
function figure(
  value: Json | undefined,
  path: Path,
  { reader, params }: ActionScope,
  min: number,
  max: number,
): number | string | undefined {
  if (value === undefined) return undefined;
  reader.integer(withParams(value, params), path, min, max);
  return typeof value === 'number' || typeof value === 'string' ? value : undefined;
}
