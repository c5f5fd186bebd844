import { readFact } from './parse-condition.ts';
import { readApproval, readThrottle } from './parse-limit.ts';
import { obligationKeys, readObligations } from './parse-obligations.ts';
import { type Action, type AuditWish, effects, type Json, type Phase } from './policy.ts';
import { decisionName, publishedAction } from './published.ts';
import { defined, isObject, type Reader } from './reader.ts';
import type { Path } from './source.ts';
import { type Params, placesIn, withParams } from './template.ts';

export interface ActionScope {
  readonly reader: Reader;
  readonly phase: Phase;
  readonly params: Params;
}

const keysOf: Readonly<Record<string, readonly string[]>> = {
  deny: ['status', 'code'],
  allow: ['final'],
  modify: obligationKeys,
  throttle: ['limit', 'queue_ms'],
  approve: ['role', 'ttl_seconds'],
  dryrun: ['action'],
};
/** Reads an action; what cannot be enforced in the rule's phase is a problem. */
export function readAction(
  value: Json | undefined,
  path: Path,
  scope: ActionScope,
  wrapped = false,
): Action | undefined {
  const { reader, phase } = scope;
  const raw = isObject(value) ? publishedAction(value) : value;
  const decision = isObject(raw)
    ? reader.oneOf(
        decisionName(raw.decision),
        [...path, 'decision'],
        wrapped ? effects : ([...effects, 'dryrun'] as const),
      )
    : undefined;
  const own = decision === undefined ? Object.values(keysOf).flat() : (keysOf[decision] ?? []);
  const given = reader.object(raw, path, ['decision', 'reason', 'metadata', 'audit', 'tags', 'metrics', ...own]);
  if (decision === undefined) {
    if (isObject(raw) && raw.decision === undefined) reader.fault(path, 'an action needs a decision');
    return undefined;
  }
  if (decision === 'deny' && phase === 'settle') {
    reader.fault(
      [...path, 'decision'],
      'deny cannot be enforced on: settle, the reply is already out; use warn or audit',
    );
  }
  if ((decision === 'throttle' || decision === 'approve') && phase !== 'request') {
    reader.fault([...path, 'decision'], `${decision} cannot be enforced on: ${phase}, the call is already made`);
  }
  return defined({
    decision,
    reason: readReason(given.reason, [...path, 'reason'], scope),
    status: reader.integer(given.status, [...path, 'status'], 400, 599),
    code: reader.text(given.code, [...path, 'code'], {
      like: /^[a-z][a-z0-9_]{0,63}$/,
      what: 'a code such as model_not_allowed',
    }),
    final: reader.flag(given.final, [...path, 'final']),
    ...(decision === 'modify' ? readObligations(given, path, scope) : {}),
    ...(decision === 'throttle' ? readThrottle(given, path, scope) : {}),
    ...(decision === 'approve' ? readApproval(given, path, scope) : {}),
    metadata: isObject(given.metadata) ? given.metadata : undefined,
    action: decision === 'dryrun' ? readAction(given.action ?? null, [...path, 'action'], scope, true) : undefined,
  });
}

function readReason(value: Json | undefined, path: Path, { reader, phase, params }: ActionScope): string | undefined {
  const reason = reader.text(value, path, { max: 1_000 });
  const filled = reason === undefined ? undefined : withParams(reason, params);
  if (typeof filled !== 'string') return reason;
  for (const name of placesIn(filled)) {
    if (name.startsWith('params.')) continue;
    const fact = readFact(name, path, reader, phase);
    if (fact?.text === true)
      reader.fault(path, `${fact.name} may not stand in a reason: it would show the text to whoever reads it`);
  }
  return reason;
}

/** What a rule asks of the record. */
export function readAudit(value: Json | undefined, path: Path, reader: Reader): AuditWish | undefined {
  if (value === undefined) return undefined;
  const given = reader.object(value, path, ['content', 'severity', 'alert']);
  return defined({
    content: reader.oneOf(given.content, [...path, 'content'], ['none'] as const, ['redacted', 'full']),
    severity: reader.oneOf(given.severity, [...path, 'severity'], [
      'info',
      'low',
      'medium',
      'high',
      'critical',
    ] as const),
    alert: reader.flag(given.alert, [...path, 'alert']),
  });
}
