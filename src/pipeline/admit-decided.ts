import { enrich } from './accept.ts';
import { type Admitted, admit } from './admit.ts';
import type { Approved } from './approve.ts';
import { Denial, decide, passes, type Substitution } from './decide.ts';
import { Refused, windowName } from './refusal.ts';
import type { Walk } from './walk.ts';

/** Budgets that name a substitute can follow one another; more steps than this lead nowhere. */
const substitutionsMax = 4;

/**
 * Reserves for what was decided. Where a budget refuses that names another model, the walk goes back to decide with that
 * one: it is judged and reserved for like any other, never twice the same. Throws as `admit` does; where the other model
 * is denied or cannot be had either, what the first budget said.
 */
export async function admitDecided(walk: Walk, decided: Approved): Promise<Admitted> {
  let last = decided;
  let first: Refused | undefined;
  for (;;) {
    try {
      return await admit(walk, last);
    } catch (thrown) {
      if (!(thrown instanceof Refused)) throw thrown;
      first ??= thrown;
      const next = substituted(walk, last, thrown);
      if (next === undefined) throw first;
      last = next;
    }
  }
}

/** The call decided for the model a budget names; undefined where that leads nowhere. */
function substituted(walk: Walk, decided: Approved, { refusal, substituteModel: to }: Refused): Approved | undefined {
  const { view, pinned, substitutions, candidates } = decided;
  const tried = [view.model, candidates[0]?.model, ...substitutions.map((one) => one.to)];
  if (to === undefined || refusal.kind !== 'budget' || tried.includes(to) || substitutions.length >= substitutionsMax) {
    return undefined;
  }
  const next = pinned.catalog.resolve(to, walk.random());
  if (next.length === 0) return undefined;
  const { scope } = refusal.budget;
  const window = windowName(refusal.budget);
  const step: Substitution = {
    from: candidates[0]?.model ?? view.model,
    to,
    rule: `${window} budget of ${scope.kind} ${scope.id}`,
    warning: `The ${window} budget of ${scope.kind} '${scope.id}' has no room for '${view.model}': '${to}' answers instead.`,
  };
  try {
    const other = decide(walk, decided, [...substitutions, step], next);
    if (!passes(other.verdict.decision, decided.approved)) return undefined;
    return enrich(other, { approved: decided.approved, approval: decided.approval });
  } catch (thrown) {
    if (thrown instanceof Denial) return undefined;
    throw thrown;
  }
}

/** What callers are told of substitutions. */
export function substitutionWarnings({ substitutions }: Pick<Approved, 'substitutions'>): readonly string[] {
  return substitutions.flatMap(({ warning }) => (warning === undefined ? [] : [warning]));
}
