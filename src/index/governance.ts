import type { EvaluateResponse, Explanation, FactTree } from '../policy/index.ts';
import { queryText, Service, type ServiceOptions } from './service.ts';

export { ServiceError, type ServiceOptions } from './service.ts';

/** A policy in force. */
export interface GovernedPolicy {
  readonly id: string;
  readonly namespace: string;
  readonly version: string;
  readonly status: string;
  readonly priority: number;
  readonly rules: number;
  readonly hash: string;
  readonly source: 'file' | 'managed';
  readonly readonly: boolean;
  readonly name?: string;
  readonly tags: readonly string[];
  readonly category: string;
  readonly tested: boolean;
}

export interface EvaluationAsked {
  /** Comes back in the answer. */
  readonly requestId?: string;
  readonly context: FactTree;
}

/** Which decisions of late are asked for. */
export interface DecisionQuery {
  readonly limit?: number;
  readonly decision?: string;
  readonly policy?: string;
}

/** A decision of late, as dashboards show it. */
export type SeenDecision = Readonly<Record<string, unknown>>;

/**
 * The decision point of a gateway or a daemon over REST: evaluates, and reads what is in force and what was decided. Its
 * key needs the scopes `policy:evaluate` and `policy:read`. Every method rejects with `ServiceError`.
 */
export class GovernanceClient {
  readonly #service: Service;

  constructor(options: ServiceOptions) {
    this.#service = new Service(options);
  }

  async evaluate(asked: EvaluationAsked): Promise<EvaluateResponse> {
    return (await this.#service.json('POST', '/api/v1/evaluate', asked)) as EvaluateResponse;
  }

  /** Up to 100, answered in their order. */
  async evaluateBatch(asked: readonly EvaluationAsked[]): Promise<readonly EvaluateResponse[]> {
    const answer = await this.#service.json('POST', '/api/v1/evaluate/batch', asked);
    return (answer as { results: readonly EvaluateResponse[] }).results;
  }

  async explain(asked: EvaluationAsked): Promise<EvaluateResponse & { readonly explanation: Explanation }> {
    const answer = await this.#service.json('POST', '/api/v1/evaluate/explain', asked);
    return answer as EvaluateResponse & { readonly explanation: Explanation };
  }

  async policies(): Promise<readonly GovernedPolicy[]> {
    const answer = await this.#service.json('GET', '/api/v1/policies');
    return (answer as { policies: readonly GovernedPolicy[] }).policies;
  }

  /** With its canonical text. Without a namespace the one in `default`, or else the only one of this id. */
  async policy(id: string, namespace?: string): Promise<GovernedPolicy & { readonly text: string }> {
    const path = `/api/v1/policies/${encodeURIComponent(id)}${queryText({ namespace })}`;
    return (await this.#service.json('GET', path)) as GovernedPolicy & { readonly text: string };
  }

  /** Newest first. */
  async evaluations(query: DecisionQuery = {}): Promise<readonly SeenDecision[]> {
    const answer = await this.#service.json('GET', `/api/v1/evaluations${queryText({ ...query })}`);
    return (answer as { evaluations: readonly SeenDecision[] }).evaluations;
  }

  /** Those that were more than a plain yes, with how often which rule decided. */
  async decisions(query: DecisionQuery = {}): Promise<{
    readonly decisions: readonly SeenDecision[];
    readonly by_decision: Readonly<Record<string, number>>;
    readonly by_rule: Readonly<Record<string, number>>;
  }> {
    const answer = await this.#service.json('GET', `/api/v1/enforcement/decisions${queryText({ ...query })}`);
    return answer as Awaited<ReturnType<GovernanceClient['decisions']>>;
  }

  /** Each policy and category: active, tested, what it refused of late. */
  async compliance(): Promise<Readonly<Record<string, unknown>>> {
    return (await this.#service.json('GET', '/api/v1/compliance/status')) as Readonly<Record<string, unknown>>;
  }
}
