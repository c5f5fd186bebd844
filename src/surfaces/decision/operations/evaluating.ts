import { Failure } from '../../../exchange/index.ts';
import { answers, type Question, questionPaths } from '../answers.ts';
import { batchOf } from '../asked.ts';
import type { Operation } from '../operation.ts';
import { type Asker, answeringTo } from '../point.ts';
import { answerSchema, askSchema, batchAnswerSchema, batchSchema, explainAnswerSchema } from '../schemas.ts';

const told = {
  evaluate: { summary: 'What the policies in force say of a context', body: askSchema, answer: answerSchema },
  batch: { summary: 'The same of up to 100 contexts', body: batchSchema, answer: batchAnswerSchema },
  explain: {
    summary: 'The same, and which comparison was true, false or missing',
    body: askSchema,
    answer: explainAnswerSchema,
  },
} as const satisfies Record<Question, object>;

/** Each question at each of its paths. */
export const evaluating: readonly Operation[] = Object.entries(questionPaths).map(
  ([path, question]): Operation => ({
    method: 'POST',
    path,
    on: 'data',
    scope: 'policy:evaluate',
    ...told[question],
    async run(point, { body, requestId }, asker) {
      const caller = callerOf(asker);
      point.door.spend(caller, question === 'batch' ? batchOf(body).length : 1);
      const answer = await answers[question](answeringTo(point, caller), body, requestId);
      await point.written?.();
      return answer;
    },
  }),
);

/** Evaluations are counted against a key. */
export function callerOf({ caller }: Asker) {
  if (caller === undefined) throw new Failure('policy_denied', 'Evaluating needs the key of a caller.');
  return caller;
}
