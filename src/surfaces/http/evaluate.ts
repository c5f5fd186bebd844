import type { FastifyInstance, FastifyRequest } from 'fastify';
import { Failure } from '../../exchange/index.ts';
import { parseStrict } from '../../formats/index.ts';
import type { Walk } from '../../pipeline/index.ts';
import { type Answering, answers, questionPaths } from '../decision/answers.ts';
import type { Answer } from './data.ts';
import { requestIdOf } from './failures.ts';

/** The decision point: what the policies in force say of a context. Decides, calls nobody, changes nothing. */
export function evaluateRoutes(app: FastifyInstance, walk: Walk, answer: Answer): void {
  const config = { judgement: 'caller' } as const;
  for (const [path, question] of Object.entries(questionPaths)) {
    app.post(path, { config }, (request, reply) =>
      answer(reply, request, async () => {
        await identify(walk, request);
        const body = parseStrict(request.body instanceof Buffer ? request.body : Buffer.alloc(0));
        return answers[question](answering(walk), body, requestIdOf(request));
      }),
    );
  }
}

/** The program in force now. */
function answering(walk: Walk): Answering {
  return {
    program: walk.pinned().program,
    clock: { now: walk.clock, elapsed: walk.monotonic },
    answered: ({ decision, evaluationTimeMs }) => walk.metrics.evaluation(decision.decision, evaluationTimeMs / 1000),
  };
}

/** Throws `invalid_api_key`, and `policy_denied` without the scope. */
async function identify(walk: Walk, request: FastifyRequest): Promise<void> {
  const { caller } = await walk.pinned().directory.identify(request.raw.headers);
  if (!caller.key.scopes.includes('policy:evaluate')) {
    throw new Failure('policy_denied', "This key may not evaluate policies: it lacks the scope 'policy:evaluate'.");
  }
}
