import {
  type Clock,
  canonicalFacts,
  type EvaluateResponse,
  type Explanation,
  evaluateContext,
  explain,
  type Program,
} from '../../policy/index.ts';
import { type Asked, askedOf, batchOf } from './asked.ts';

/** What every surface of the decision point is made of: a program, and where time comes from. */
export interface Answering {
  readonly program: Program;
  readonly clock: Clock;
  /** Keyed hash for prompts in the recorded facts. */
  readonly hashText?: ((text: string) => string) | undefined;
  /** Told of each answer, for metrics. */
  readonly answered?: (response: EvaluateResponse) => void;
}

/** Bodies of the decision point, by what is asked: parse, decide, answer. Each throws `invalid_request` for a bad body. */
export const answers = {
  evaluate: (from: Answering, body: unknown, ownId: string): EvaluateResponse => answer(from, askedOf(body), ownId),

  batch(from: Answering, body: unknown, ownId: string) {
    const results = batchOf(body).map((asked, at) => answer(from, asked, `${ownId}-${at}`));
    return { results, count: results.length };
  },

  explain(from: Answering, body: unknown, ownId: string): EvaluateResponse & { readonly explanation: Explanation } {
    const asked = askedOf(body);
    const explanation = explain(from.program, 'request', canonicalFacts(asked.context));
    return { ...answer(from, asked, ownId), explanation };
  },
} as const;

export type Question = keyof typeof answers;

/** Where each question is put to over HTTP, published names first. */
export const questionPaths: Readonly<Record<string, Question>> = {
  '/api/v1/evaluate': 'evaluate',
  '/v1/evaluate': 'evaluate',
  '/api/v1/evaluate/batch': 'batch',
  '/v1/evaluate/batch': 'batch',
  '/api/v1/evaluate/explain': 'explain',
};

function answer({ program, clock, hashText, answered }: Answering, asked: Asked, ownId: string): EvaluateResponse {
  const response = evaluateContext(program, asked.context, { requestId: asked.requestId ?? ownId, clock, hashText });
  answered?.(response);
  return response;
}
