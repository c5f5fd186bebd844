import type { Caller } from '../../exchange/index.ts';
import type { AuditRecord } from '../../observe/index.ts';
import type { EvaluateResponse } from '../../policy/index.ts';

/** A decision of late, as dashboards show it: asked of the decision point, or made about a call of the gateway. */
export interface Lately {
  readonly kind: 'evaluation' | 'call';
  readonly requestId: string;
  /** RFC 3339. */
  readonly timestamp: string;
  readonly organization: string;
  readonly team: string;
  readonly key: string;
  readonly decision: string;
  readonly allowed: boolean;
  readonly reason: string;
  readonly policyId?: string;
  readonly policyVersion?: string;
  /** `policy/rule`. */
  readonly determining: readonly string[];
  readonly unable: readonly string[];
  readonly model?: string;
  readonly program?: string;
  /** Of an evaluation. */
  readonly evaluationTimeMs?: number;
}

export function newestFirst(all: readonly Lately[]): readonly Lately[] {
  return [...all].sort((a, b) => (a.timestamp < b.timestamp ? 1 : a.timestamp > b.timestamp ? -1 : 0));
}

/** What the decision point of a process did since it started. */
export interface EvaluationFigures {
  readonly total: number;
  readonly by_decision: Readonly<Record<string, number>>;
  /** Milliseconds, all together. */
  readonly ms_total: number;
  readonly ms_max: number;
}

const kept_max = 1000;

/** The last evaluations of a process, and figures of all of them. Facts are not kept. */
export class RecentEvaluations {
  /** Streams of questions that are open. */
  streams = 0;
  readonly #ring: Lately[] = [];
  readonly #decisions = new Map<string, number>();
  #next = 0;
  #total = 0;
  #ms_total = 0;
  #ms_max = 0;

  add(caller: Caller, response: EvaluateResponse): void {
    const { decision, evaluationTimeMs } = response;
    this.#ring[this.#next] = seen(caller, response);
    this.#next = (this.#next + 1) % kept_max;
    this.#decisions.set(decision.decision, (this.#decisions.get(decision.decision) ?? 0) + 1);
    this.#total += 1;
    this.#ms_total += evaluationTimeMs;
    this.#ms_max = Math.max(this.#ms_max, evaluationTimeMs);
  }

  /** Newest first. */
  list(): readonly Lately[] {
    return [...this.#ring.slice(0, this.#next).reverse(), ...this.#ring.slice(this.#next).reverse()];
  }

  get figures(): EvaluationFigures {
    const by_decision = Object.fromEntries([...this.#decisions].sort());
    return { total: this.#total, by_decision, ms_total: this.#ms_total, ms_max: this.#ms_max };
  }
}

function seen(
  caller: Caller,
  { requestId, timestamp, decision, resource, program, ...rest }: EvaluateResponse,
): Lately {
  const { policyId, policyVersion } = decision;
  return {
    kind: 'evaluation',
    requestId,
    timestamp,
    organization: caller.organization.id,
    team: caller.team.id,
    key: caller.key.id,
    decision: decision.decision,
    allowed: decision.allowed,
    reason: decision.reason,
    ...(policyId === undefined ? {} : { policyId }),
    ...(policyVersion === undefined ? {} : { policyVersion }),
    determining: decision.determining,
    unable: [...new Set(decision.unable.map(({ rule }) => rule))],
    model: resource.replace(/^model:/, ''),
    program,
    evaluationTimeMs: rest.evaluationTimeMs,
  };
}

/** The decision on a call's request, as its record tells it; undefined for a record without one. */
export function seenOfRecord(record: AuditRecord): Lately | undefined {
  const { request } = record.decision;
  if (record.kind !== undefined || request === undefined) return undefined;
  const { policy, version } = request;
  const { organization = '', team = '', key = '' } = record.caller;
  return {
    kind: 'call',
    requestId: record.request_id,
    timestamp: new Date(record.time_ms).toISOString(),
    organization,
    team,
    key,
    decision: request.decision,
    allowed: request.decision !== 'deny',
    reason: request.reasons[0] ?? '',
    ...(policy === undefined ? {} : { policyId: policy }),
    ...(version === undefined ? {} : { policyVersion: version }),
    determining: policy === undefined ? request.rules : request.rules.filter((rule) => rule.startsWith(`${policy}/`)),
    unable: [...new Set(request.unable.map((told) => /\(([^()]*)\)$/.exec(told)?.[1] ?? told))],
    ...(record.model_asked === undefined ? {} : { model: record.model_asked }),
    ...(record.program === undefined ? {} : { program: record.program }),
  };
}
