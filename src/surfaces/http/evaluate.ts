import type { FastifyInstance } from 'fastify';
import { Failure } from '../../exchange/index.ts';
import { parseStrict } from '../../formats/index.ts';
import type { Walk } from '../../pipeline/index.ts';
import { type Decision, decide, explain, type FactTree } from '../../policy/index.ts';
import type { Answer } from './data.ts';

interface EvaluateBody {
  readonly requestId: string | undefined;
  readonly context: Record<string, unknown>;
}

/** The decision point: what the policies in force say of a context. Decides, calls nobody, changes nothing. */
export function evaluateRoutes(app: FastifyInstance, walk: Walk, answer: Answer): void {
  const config = { judgement: 'caller' } as const;
  for (const path of ['/api/v1/evaluate', '/v1/evaluate']) {
    app.post(path, { config }, (request, reply) =>
      answer(reply, request, async () => evaluate(walk, await read(walk, request.raw.headers, request.body))),
    );
  }
  app.post('/api/v1/evaluate/explain', { config }, (request, reply) =>
    answer(reply, request, async () => {
      const body = await read(walk, request.raw.headers, request.body);
      const { program } = walk.pinned();
      return { ...evaluate(walk, body), explanation: explain(program, 'request', body.context as FactTree) };
    }),
  );
}

/** Identifies the caller and reads the body. Throws `invalid_api_key`, `policy_denied` without the scope, `invalid_request`. */
async function read(
  walk: Walk,
  headers: Readonly<Record<string, string | string[] | undefined>>,
  bytes: unknown,
): Promise<EvaluateBody> {
  const identity = await walk.pinned().directory.identify(headers);
  if (!identity.caller.key.scopes.includes('policy:evaluate')) {
    throw new Failure('policy_denied', "This key may not evaluate policies: it lacks the scope 'policy:evaluate'.");
  }
  const body = parseStrict(bytes instanceof Buffer ? bytes : Buffer.alloc(0));
  if (typeof body !== 'object' || body === null || Array.isArray(body)) {
    throw new Failure('invalid_request', 'The body must be a JSON object with a context.');
  }
  const { requestId, context } = body as { requestId?: unknown; context?: unknown };
  if (requestId !== undefined && typeof requestId !== 'string') {
    throw new Failure('invalid_request', 'requestId must be a string.', { param: 'requestId' });
  }
  if (typeof context !== 'object' || context === null || Array.isArray(context)) {
    throw new Failure('invalid_request', 'context must be an object of facts.', { param: 'context' });
  }
  return { requestId, context: context as Record<string, unknown> };
}

function evaluate(walk: Walk, { requestId, context }: EvaluateBody): Record<string, unknown> {
  const { program } = walk.pinned();
  const started = walk.monotonic();
  const decision: Decision = decide(program, 'request', context as FactTree);
  const evaluationTimeMs = walk.monotonic() - started;
  walk.metrics.evaluation(decision.decision, evaluationTimeMs / 1000);
  return {
    requestId: requestId ?? null,
    decision,
    program: program.id,
    evaluationTimeMs,
    cached: false,
    timestamp: new Date(walk.clock()).toISOString(),
  };
}
