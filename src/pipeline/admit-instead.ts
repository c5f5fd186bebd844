import { type Admitted, admit } from './admit.ts';
import { type Approved, approved } from './approve.ts';
import type { Attempts } from './attempts.ts';
import { type Decided, Denial, decide, passes, type Substitution } from './decide.ts';
import { Refused, windowName } from './refusal.ts';
import type { Walk } from './walk.ts';

/** Budgets that name a substitute can follow one another; more steps than this lead nowhere. */
const substitutionsMax = 4;

/**
 * After `admit` threw `refused`: where a budget refuses that names another model, the walk goes back to decide with that
 * one: it is judged and reserved for like any other, never twice the same. Throws as `admit` does; where the other model
 * is denied or cannot be had either, what the first budget said.
 */
export async function admitInstead(walk: Walk, decided: Approved, refused: unknown): Promise<Admitted> {
  let [last, thrown] = [decided, refused];
  for (;;) {
    if (!(thrown instanceof Refused)) throw thrown;
    const next = substituted(walk, last, thrown);
    if (next === undefined) throw refused;
    last = next;
    try {
      return await admit(walk, last);
    } catch (again) {
      thrown = again;
    }
  }
}

/** From a model to the one that the refusing budget names; undefined where it names none, or one of those `tried`. */
export function budgetStep({ instead }: Refused, from: string, tried: readonly string[]): Substitution | undefined {
  // The first two are what was asked for and what it stands for.
  if (instead === undefined || tried.includes(instead.to) || tried.length - 2 >= substitutionsMax) return undefined;
  const { budget, to } = instead;
  const { kind, id } = budget.scope;
  const window = windowName(budget);
  const asked = tried[0] ?? from;
  // Both are told in the open part of the record, where nobody is named.
  const [whose, quoted] = kind === 'user' ? ['the user', 'the user'] : [`${kind} ${id}`, `${kind} '${id}'`];
  return {
    from,
    to,
    rule: `${window} budget of ${whose}`,
    warning: `The ${window} budget of ${quoted} has no room for '${asked}': '${to}' answers instead.`,
  };
}

/** The call decided for the model a budget names; undefined where that leads nowhere. */
function substituted(walk: Walk, decided: Approved, refused: Refused): Approved | undefined {
  const { view, pinned, substitutions, candidates } = decided;
  const from = candidates[0]?.model ?? view.model;
  const step = budgetStep(refused, from, [view.model, from, ...substitutions.map((one) => one.to)]);
  const next = step === undefined ? [] : pinned.catalog.resolve(step.to, walk.random());
  if (step === undefined || next.length === 0) return undefined;
  try {
    const other = decide(walk, decided, [...substitutions, step], next);
    if (!passes(other.verdict.decision, decided.approved)) return undefined;
    return approved(other, decided.approved, decided.approval);
  } catch (thrown) {
    if (thrown instanceof Denial) return undefined;
    throw thrown;
  }
}

/** Every substitution that led to the candidate in use, oldest first. */
export function substitutionsOf(decided: Pick<Decided, 'substitutions'>, attempts?: Attempts): readonly Substitution[] {
  const last = attempts?.substitution;
  return last === undefined ? decided.substitutions : [...decided.substitutions, last];
}

const none: readonly string[] = Object.freeze([]);

/** What callers are told of substitutions. */
export function substitutionWarnings(substitutions: readonly Substitution[]): readonly string[] {
  if (substitutions.length === 0) return none;
  return substitutions.flatMap(({ warning }) => (warning === undefined ? [] : [warning]));
}
