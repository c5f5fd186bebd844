import { decide } from './decide.ts';
import type { Decision } from './decision.ts';
import type { Program } from './program.ts';
import { canonicalFacts, recordFacts } from './record-facts.ts';
import type { FactTree } from './unable.ts';
import { type Modules, type Told, withVerdicts } from './verdicts.ts';

/** Where time comes from: this room has none of its own. */
export interface Clock {
  /** Unix milliseconds. */
  now(): number;
  /** Milliseconds that only go forward. */
  elapsed(): number;
}

export interface EvaluateResponse {
  readonly requestId: string;
  readonly decision: Decision;
  readonly principal: string;
  readonly action: string;
  readonly resource: string;
  /** The facts the program read; texts only by their length or keyed hash. */
  readonly facts: Readonly<Record<string, unknown>>;
  readonly program: string;
  readonly evaluationTimeMs: number;
  /** Modules had a say, and all of them had said the same of the same inputs before. */
  readonly cached: boolean;
  /** RFC 3339. */
  readonly timestamp: string;
}

export interface EvaluateOptions {
  readonly requestId: string;
  readonly clock: Clock;
  /** Keyed hash for prompts in `facts`. */
  readonly hashText?: ((text: string) => string) | undefined;
}

/** What a program says of a request's context, modules left undecided. Never throws on facts. */
export function evaluateContext(program: Program, context: FactTree, options: EvaluateOptions): EvaluateResponse {
  const start = options.clock.elapsed();
  return evaluateTold(program, { facts: canonicalFacts(context), skipped: [], asked: 0, hits: 0 }, options, start);
}

/**
 * What a program says of a request's context, its modules run: the same answer from every surface that is asked. At once
 * where every module answers at once. Never throws on facts, and never rejects.
 */
export function evaluateWith(
  program: Program,
  context: FactTree,
  options: EvaluateOptions & { readonly modules?: Modules | undefined },
): EvaluateResponse | Promise<EvaluateResponse> {
  const start = options.clock.elapsed();
  const told = tellContext(program, context, options.modules);
  return told instanceof Promise
    ? told.then((known) => evaluateTold(program, known, options, start))
    : evaluateTold(program, told, options, start);
}

/** The facts of a context as rules read them, with what modules say; without `modules` their rules stay undecided. */
export function tellContext(program: Program, context: FactTree, modules: Modules | undefined): Told | Promise<Told> {
  const facts = canonicalFacts(context);
  if (modules === undefined) return { facts, skipped: [], asked: 0, hits: 0 };
  return withVerdicts(program, 'request', facts, { modules, tenant: tenantOf(facts) });
}

/** Whose facts they are, for what is kept of them: what was said for one is not told another. */
function tenantOf(facts: FactTree): string {
  return textAt(facts, 'organization', 'id') ?? '';
}

/** What a program says of facts that are told; `start` is when it began, in ms of the clock. */
export function evaluateTold(
  program: Program,
  { facts, asked, hits }: Told,
  { requestId, clock, hashText }: EvaluateOptions,
  start: number,
): EvaluateResponse {
  const decision = decide(program, 'request', facts);
  const evaluationTimeMs = clock.elapsed() - start;
  return {
    requestId,
    decision,
    principal: principalOf(facts),
    action: 'llm:chat',
    resource: `model:${textAt(facts, 'llm', 'model') ?? 'unknown'}`,
    facts: recordFacts(program, 'request', facts, hashText),
    program: program.id,
    evaluationTimeMs,
    cached: asked > 0 && hits === asked,
    timestamp: new Date(clock.now()).toISOString(),
  };
}

function principalOf(facts: FactTree): string {
  for (const kind of ['user', 'key', 'team'] as const) {
    const id = textAt(facts, kind, 'id');
    if (id !== undefined) return `${kind}:${id}`;
  }
  return 'anonymous';
}

function textAt(facts: FactTree, group: string, name: string): string | undefined {
  const branch = facts[group];
  if (typeof branch !== 'object' || branch === null || !Object.hasOwn(branch, name)) return undefined;
  const value = (branch as FactTree)[name];
  return typeof value === 'string' ? value : undefined;
}
