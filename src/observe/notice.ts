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

/**
 * An administrator changed something. Whoever a person's budget is, and a person who made the change, is named where names
 * are sealed, as an alert does it.
 */
export function changeRecord(made: {
  readonly exchange: string;
  readonly time_ms: number;
  /** Left out where it is of the whole gateway. */
  readonly organization?: string | undefined;
  readonly route: string;
  readonly change: RecordChange;
}): AuditRecord {
  const { exchange, time_ms, organization, route, change } = made;
  const { caller, ...open } = whom(organization, change);
  return { ...notice(exchange, time_ms, route, caller), kind: 'admin', change: { ...change, ...open } };
}

/** A counter, or a budget through all its windows: its scope, and what follows. */
const counter = /^budget:(team|user):([^:]*)(:.*)$/;
const approver = /^user:([^/]*)\/(.*)$/s;

function whom(
  organization: string | undefined,
  { target, by }: RecordChange,
): { readonly caller: RecordCaller; readonly target: string; readonly by: string } {
  const [, kind, named = '', rest = ''] = counter.exec(target) ?? [];
  if (kind !== undefined) {
    // The mark of an alert is a counter too: behind the name stands which alert it is.
    const [id = ''] = decoded(named).split('#');
    const scope = ofScope(organization, kind, id);
    return { caller: scope.caller, target: kind === 'team' ? target : `budget:user:${scope.id}${rest}`, by };
  }
  const [, team, user] = approver.exec(by) ?? [];
  if (user === undefined) return { caller: { organization }, target, by };
  return { caller: { organization, team, user }, target, by: `user:${team}/${person}` };
}
