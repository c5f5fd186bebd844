import type { FastifyInstance, FastifyRequest } from 'fastify';
import { Failure } from '../../exchange/index.ts';
import { parseStrict } from '../../formats/index.ts';
import type { Walk } from '../../pipeline/index.ts';
import { canonicalFacts, type EvaluateResponse, evaluateContext, explain, type FactTree } from '../../policy/index.ts';
import type { Answer } from './data.ts';
import { requestIdOf } from './failures.ts';

interface Asked {
  readonly requestId: string | undefined;
  readonly context: FactTree;
}

/** Evaluations in one call. */
const batch_max = 100;

/** The decision point: what the policies in force say of a context. Decides, calls nobody, changes nothing. */
export function evaluateRoutes(app: FastifyInstance, walk: Walk, answer: Answer): void {
  const config = { judgement: 'caller' } as const;
  const route = (path: string, say: (request: FastifyRequest, body: unknown) => unknown): void => {
    app.post(path, { config }, (request, reply) =>
      answer(reply, request, async () => {
        await identify(walk, request);
        return say(request, parseStrict(request.body instanceof Buffer ? request.body : Buffer.alloc(0)));
      }),
    );
  };
  for (const path of ['/api/v1/evaluate', '/v1/evaluate']) {
    route(path, (request, body) => evaluate(walk, askedOf(body, ''), requestIdOf(request)));
    route(`${path}/batch`, (request, body) => {
      const results = batchOf(body).map((asked, at) => evaluate(walk, asked, `${requestIdOf(request)}-${at}`));
      return { results, count: results.length };
    });
  }
  route('/api/v1/evaluate/explain', (request, body) => {
    const asked = askedOf(body, '');
    const explanation = explain(walk.pinned().program, 'request', canonicalFacts(asked.context));
    return { ...evaluate(walk, asked, requestIdOf(request)), explanation };
  });
}

/** Throws `invalid_api_key`, and `policy_denied` without the scope. */
async function identify(walk: Walk, request: FastifyRequest): Promise<void> {
  const { caller } = await walk.pinned().directory.identify(request.raw.headers);
  if (!caller.key.scopes.includes('policy:evaluate')) {
    throw new Failure('policy_denied', "This key may not evaluate policies: it lacks the scope 'policy:evaluate'.");
  }
}

function evaluate(walk: Walk, { requestId, context }: Asked, ownId: string): EvaluateResponse {
  const clock = { now: walk.clock, elapsed: walk.monotonic };
  const response = evaluateContext(walk.pinned().program, context, { requestId: requestId ?? ownId, clock });
  walk.metrics.evaluation(response.decision.decision, response.evaluationTimeMs / 1000);
  return response;
}

/** Evaluations as a list, or as published: `contexts` alone. Throws `invalid_request`. */
function batchOf(body: unknown): readonly Asked[] {
  const contexts =
    isObject(body) && Array.isArray(body.contexts) && onlyHas(body, ['contexts'], '') ? body.contexts : [];
  const list = Array.isArray(body) ? body : contexts.map((context) => ({ context }));
  if (list.length === 0 || list.length > batch_max) {
    throw new Failure('invalid_request', `The body must be a list of 1 to ${batch_max} evaluations.`);
  }
  return list.map((one, at) => askedOf(one, `[${at}].`));
}

/** Throws `invalid_request` that names the field at fault, `at` being where the evaluation stands. */
function askedOf(body: unknown, at: string): Asked {
  if (!isObject(body)) {
    const what = at === '' ? 'The body' : `\`${at.slice(0, -1)}\``;
    throw refused(at.slice(0, -1), `${what} must be a JSON object with a context.`);
  }
  onlyHas(body, ['requestId', 'context'], at);
  const { requestId, context } = body;
  if (requestId !== undefined && typeof requestId !== 'string')
    throw refused(`${at}requestId`, `\`${at}requestId\` must be a string.`);
  if (!isObject(context)) throw refused(`${at}context`, `\`${at}context\` must be an object of facts.`);
  return { requestId, context };
}

/** What nobody reads is refused: its sender believes that it counts. */
function onlyHas(body: Record<string, unknown>, known: readonly string[], at: string): true {
  const unknown = Object.keys(body).find((name) => !known.includes(name));
  if (unknown !== undefined)
    throw refused(`${at}${unknown}`, `\`${at}${unknown}\` is not known here; there is ${known.join(' and ')}.`);
  return true;
}

function refused(param: string, message: string): Failure {
  return new Failure('invalid_request', message, param === '' ? {} : { param });
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
