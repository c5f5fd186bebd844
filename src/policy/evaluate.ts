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
  return textOf(facts.organization, 'id') ?? '';
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
    resource: `model:${textOf(facts.llm, 'model') ?? 'unknown'}`,
    facts: recordFacts(program, 'request', facts, hashText),
    program: program.id,
    evaluationTimeMs,
    cached: asked > 0 && hits === asked,
    timestamp: timestampOf(clock.now()),
  };
}

/** The moment a timestamp was last made of, its second, and their texts: nearly always it is that second again. */
let moment = Number.NaN;
let momentText = '';
let second = Number.NaN;
let secondText = '';

/** RFC 3339 with milliseconds. */
function timestampOf(now_ms: number): string {
  if (now_ms === moment) return momentText;
  const whole = Math.floor(now_ms / 1000);
  if (whole !== second) {
    secondText = new Date(whole * 1000).toISOString().slice(0, -4);
    second = whole;
  }
  const ms = Math.floor(now_ms) - whole * 1000;
  moment = now_ms;
  momentText = `${secondText}${ms < 10 ? '00' : ms < 100 ? '0' : ''}${ms}Z`;
  return momentText;
}

function principalOf({ user, key, team }: FactTree): string {
  const userId = textOf(user, 'id');
  if (userId !== undefined) return `user:${userId}`;
  const keyId = textOf(key, 'id');
  if (keyId !== undefined) return `key:${keyId}`;
  const teamId = textOf(team, 'id');
  return teamId === undefined ? 'anonymous' : `team:${teamId}`;
}

function textOf(group: unknown, name: 'id' | 'model'): string | undefined {
  const value = typeof group === 'object' && group !== null ? (group as FactTree)[name] : undefined;
  return typeof value === 'string' ? value : undefined;
}
