import type { AuditRecord, DecisionSummary, RecordAlert, RecordCaller, RecordChange } from './record.ts';

/** A record that is of no exchange: something was noticed, or changed by an administrator. */
function notice(exchange: string, time_ms: number, route: string, caller: RecordCaller): AuditRecord {
  return {
    exchange,
    request_id: exchange,
    time_ms,
    route,
    caller,
    streamed: false,
    held_nusd: 0,
    attempts: [],
    scanned_in_bytes: 0,
    scanned_out_bytes: 0,
    rails: [],
    facts: {},
    decision: {},
    cost_nusd: 0,
    cost_estimated: false,
    ending: 'complete',
    timings: { total: 0 },
    uninspected: false,
  };
}

/** Stands where a person's name would: the name itself is sealed in `caller.user`. */
const person = '[person]';

/** A user's scope names a person. The name goes where names are sealed. */
function ofScope(
  organization: string | undefined,
  kind: string,
  id: string,
): { readonly caller: RecordCaller; readonly id: string } {
  if (kind !== 'user') return { caller: kind === 'team' ? { organization, team: id } : { organization }, id };
  const [team = '', ...user] = id.split('/');
  return { caller: { organization, team, user: decoded(user.join('/')) }, id: `${team}/${person}` };
}

/** The user as it is called elsewhere in the trail: what is erased for a person must be erased here. */
function decoded(name: string): string {
  try {
    return decodeURIComponent(name);
  } catch {
    return name;
  }
}

/** A budget passed a percent it warns at. */
export function alertRecord(noticed: {
  readonly exchange: string;
  readonly time_ms: number;
  readonly organization: string;
  readonly alert: RecordAlert;
}): AuditRecord {
  const { exchange, time_ms, organization, alert } = noticed;
  const { caller, id } = ofScope(organization, alert.scope, alert.id);
  return { ...notice(exchange, time_ms, 'budget', caller), kind: 'alert', alert: { ...alert, id } };
}

/** An evaluation somebody asked for: what was decided, on which facts, by which program. */
export function evaluationRecord(made: {
  readonly exchange: string;
  readonly request_id: string;
  readonly time_ms: number;
  readonly route: string;
  readonly caller: RecordCaller;
  readonly facts: Readonly<Record<string, unknown>>;
  readonly decision: DecisionSummary;
  readonly denied: boolean;
  readonly program: string;
  readonly total_ms: number;
}): AuditRecord {
  const { exchange, request_id, time_ms, route, caller, facts, decision, denied, program, total_ms } = made;
  return {
    ...notice(exchange, time_ms, route, caller),
    kind: 'decision',
    request_id,
    program,
    facts,
    decision: { request: decision },
    ending: denied ? 'denied' : 'complete',
    timings: { total: total_ms },
  };
}

/** An administrator changed something. `scope` where it is of one: its name is kept as an alert keeps it. */
export function changeRecord(made: {
  readonly exchange: string;
  readonly time_ms: number;
  /** Left out where it is of the whole gateway. */
  readonly organization?: string | undefined;
  readonly route: string;
  readonly change: RecordChange;
  readonly scope?: { readonly kind: string; readonly id: string };
}): AuditRecord {
  const { exchange, time_ms, organization, route, change, scope } = made;
  if (scope === undefined) return { ...notice(exchange, time_ms, route, { organization }), kind: 'admin', change };
  const { caller, id } = ofScope(organization, scope.kind, scope.id);
  const target = change.target.replaceAll(scope.id, () => id);
  return { ...notice(exchange, time_ms, route, caller), kind: 'admin', change: { ...change, target } };
}
