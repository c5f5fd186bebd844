import { decide } from './decide.ts';
import type { Decision } from './decision.ts';
import type { Program } from './program.ts';
import { canonicalFacts, recordFacts } from './record-facts.ts';
import type { FactTree } from './unable.ts';

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
  readonly cached: false;
  /** RFC 3339. */
  readonly timestamp: string;
}

export interface EvaluateOptions {
  readonly requestId: string;
  readonly clock: Clock;
  /** Keyed hash for prompts in `facts`. */
  readonly hashText?: ((text: string) => string) | undefined;
}

/** What a program says of a request's context: the same answer from every surface that is asked. Never throws on facts. */
export function evaluateContext(
  program: Program,
  context: FactTree,
  { requestId, clock, hashText }: EvaluateOptions,
): EvaluateResponse {
  const facts = canonicalFacts(context);
  const start = clock.elapsed();
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
    cached: false,
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
