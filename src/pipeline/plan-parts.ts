import type { PatternRef, Span } from '../exchange/index.ts';
import type { ResponsePlan, Verdict } from '../policy/index.ts';
import { streamingTypes } from '../rails/index.ts';

/** Patterns with what a match of each means. Those of rails name one type each, so that every match has a name. */
export interface PlanPart {
  readonly patterns: readonly PatternRef[];
  readonly verdicts: readonly Verdict[];
}

/** What a plan acts on, and what it only notes. */
export interface PlanParts {
  readonly acts: PlanPart;
  readonly notes: PlanPart;
}

const kept = new WeakMap<ResponsePlan, PlanParts>();

/**
 * A plan taken apart. What is only noted is searched for by itself: it must not hold text back, and where it overlaps
 * what is to be redacted, its text would leave under it. What is acted on is not searched for a second time.
 */
export function partsOf(plan: ResponsePlan): PlanParts {
  const known = kept.get(plan);
  if (known !== undefined) return known;
  const done = new Set<string>();
  const parts = {
    acts: part(plan, ({ effect }) => effect !== 'note', done),
    notes: part(plan, ({ effect }) => effect === 'note', done),
  };
  kept.set(plan, parts);
  return parts;
}

/** The patterns of these verdicts, but for types of rails that are `done`; those become so. */
function part({ patterns, verdicts }: PlanPart, wanted: (verdict: Verdict) => boolean, done: Set<string>): PlanPart {
  const chosen: { readonly pattern: PatternRef; readonly verdict: Verdict }[] = [];
  patterns.forEach((pattern, index) => {
    const verdict = verdicts[index];
    if (verdict === undefined || !wanted(verdict)) return;
    for (const single of singles(pattern)) {
      const name = single.kind === 'rail' ? `${single.rail}/${single.type}` : undefined;
      if (name !== undefined && done.has(name)) continue;
      if (name !== undefined) done.add(name);
      chosen.push({ pattern: single, verdict });
    }
  });
  return { patterns: chosen.map((one) => one.pattern), verdicts: chosen.map((one) => one.verdict) };
}

function singles(pattern: PatternRef): readonly PatternRef[] {
  if (pattern.kind !== 'rail' || pattern.type !== undefined) return [pattern];
  const { rail } = pattern;
  const types = streamingTypes(rail);
  // A rail that cannot be followed is named as it is: the compiler refuses it.
  return types.length === 0 ? [pattern] : types.map((type) => ({ kind: 'rail', rail, type }));
}

const rank = { note: 0, redact: 1, deny: 2 } as const;

/** What a match means: the strictest of the patterns that met in it. */
export function strictestOf({ verdicts }: PlanPart, span: Span): Verdict {
  let strictest: Verdict | undefined;
  for (const pattern of [span.pattern, ...span.merged]) {
    const verdict = verdicts[pattern];
    if (verdict === undefined) throw new Error(`the matcher found a pattern (${pattern}) the plan does not have`);
    if (strictest === undefined || rank[verdict.effect] > rank[strictest.effect]) strictest = verdict;
  }
  if (strictest === undefined) throw new Error('a match of no pattern');
  return strictest;
}
