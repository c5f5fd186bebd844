import {
  type Clock,
  type EvaluateResponse,
  type Explanation,
  evaluateTold,
  explain,
  type FactTree,
  type Modules,
  type Program,
  type Told,
  tellContext,
} from '../../policy/index.ts';
import { type Asked, askedOf, batchOf } from './asked.ts';

/** What every surface of the decision point is made of: a program, and where time comes from. */
export interface Answering {
  readonly program: Program;
  /** Runs its modules; without it rules of modules are undecided. */
  readonly modules?: Modules | undefined;
  readonly clock: Clock;
  /** Keyed hash for prompts in the recorded facts. */
  readonly hashText?: ((text: string) => string) | undefined;
  /** Told of each answer, for metrics. */
  readonly answered?: (response: EvaluateResponse) => void;
}

/**
 * Bodies of the decision point, by what is asked: parse, decide, answer. Each throws `invalid_request` for a bad body, and
 * answers at once unless a module has to be waited for.
 */
export const answers = {
  evaluate: (from: Answering, body: unknown, ownId: string): Later<EvaluateResponse> =>
    answer(from, askedOf(body), ownId),

  batch(from: Answering, body: unknown, ownId: string): Later<Batch> {
    const results = batchOf(body).map((asked, at) => answer(from, asked, `${ownId}-${at}`));
    const done = (all: readonly EvaluateResponse[]) => ({ results: all, count: all.length });
    return results.every(isThere) ? done(results) : Promise.all(results).then(done);
  },

  explain(from: Answering, body: unknown, ownId: string): Later<Explained> {
    const asked = askedOf(body);
    return answered(from, asked, ownId, (response, facts) => ({
      ...response,
      explanation: explain(from.program, 'request', facts),
    }));
  },
} as const;

type Later<T> = T | Promise<T>;

interface Batch {
  readonly results: readonly EvaluateResponse[];
  readonly count: number;
}

type Explained = EvaluateResponse & { readonly explanation: Explanation };

function isThere(response: Later<EvaluateResponse>): response is EvaluateResponse {
  return !(response instanceof Promise);
}

export type Question = keyof typeof answers;

/** Where each question is put to over HTTP, published names first. */
export const questionPaths: Readonly<Record<string, Question>> = {
  '/api/v1/evaluate': 'evaluate',
  '/v1/evaluate': 'evaluate',
  '/api/v1/evaluate/batch': 'batch',
  '/v1/evaluate/batch': 'batch',
  '/api/v1/evaluate/explain': 'explain',
};

function answer(from: Answering, asked: Asked, ownId: string): Later<EvaluateResponse> {
  return answered(from, asked, ownId, (response) => response);
}

function answered<T>(
  { program, modules, clock, hashText, answered: tell }: Answering,
  { context, requestId }: Asked,
  ownId: string,
  shape: (response: EvaluateResponse, facts: FactTree) => T,
): Later<T> {
  const start = clock.elapsed();
  const done = (told: Told): T => {
    const response = evaluateTold(program, told, { requestId: requestId ?? ownId, clock, hashText }, start);
    tell?.(response);
    return shape(response, told.facts);
  };
  const told = tellContext(program, context, modules);
  return told instanceof Promise ? told.then(done) : done(told);
}
