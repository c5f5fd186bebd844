import { Failure } from '../../exchange/index.ts';
import type { Decision, EvaluateResponse } from '../../policy/index.ts';
import { objectOf, type Struct, structOf } from './struct.ts';

/** `EvaluateRequest` as it is read. */
export interface EvaluateRequest {
  readonly requestId?: string;
  readonly context?: Struct | null;
}

/** A question as REST is asked it, for the same checks. Throws `invalid_request` for what JSON could not say. */
export function bodyOf({ requestId, context }: EvaluateRequest): Readonly<Record<string, unknown>> {
  return {
    ...(requestId === undefined ? {} : { requestId }),
    ...(context === undefined || context === null ? {} : { context: objectOf(context) }),
  };
}

/** `EvaluateResponse`, every field of it. */
export function responseMessage(response: EvaluateResponse): Readonly<Record<string, unknown>> {
  return { ...response, decision: decisionMessage(response.decision), facts: structOf(response.facts) };
}

/** How each member of a decision is written: what it is, or as a struct where its members are an open set. */
const members = {
  decision: 'plain',
  allowed: 'plain',
  reason: 'plain',
  policyId: 'plain',
  policyVersion: 'plain',
  status: 'plain',
  code: 'plain',
  matchedPolicies: 'plain',
  matchedRules: 'plain',
  determining: 'plain',
  overridden: 'plain',
  shadowed: 'plain',
  obligations: 'structs',
  modifications: 'struct',
  errors: 'plain',
  unable: 'plain',
  warnings: 'plain',
  tags: 'plain',
  blockedByRail: 'plain',
  audit: 'struct',
  metrics: 'struct',
} as const satisfies Record<keyof Decision, 'plain' | 'struct' | 'structs'>;

function decisionMessage(decision: Decision): Readonly<Record<string, unknown>> {
  const entries = Object.entries(decision).flatMap(([name, value]): [string, unknown][] => {
    if (value === undefined) return [];
    const how = Object.hasOwn(members, name) ? members[name as keyof Decision] : undefined;
    // Left out, it would be a decision that lost a part on its way.
    if (how === undefined) throw new Failure('internal_error', `A decision's ${name} cannot be told over gRPC.`);
    if (how === 'struct') return [[name, structOf(value as object)]];
    return [[name, how === 'structs' ? (value as readonly object[]).map(structOf) : value]];
  });
  return Object.fromEntries(entries);
}
