import type { CompiledRule } from './compiled-rule.ts';
import { evaluate, finalPriority } from './decide.ts';
import type { PhaseTable } from './phase-table.ts';
import { withFact } from './record-facts.ts';
import { type FactTree, Unable } from './unable.ts';

/** Rules by their position, and the facts they read that nobody has asked for yet. */
export type Pending = ReadonlyMap<number, readonly string[]>;

const unknown = new Unable('it is not known yet');

/**
 * Those of the pending facts that could change what is enforced, whatever they come out as. A comparison that is decided
 * while a fact is unknown is decided the same for every value of it, so a fact matters only to rules it leaves undecided, and
 * not to all of those: what is only watched changes nothing, nor does what a final allow ends, nor what could at most deny a
 * call again that an earlier rule denies.
 */
export function mattering(
  table: PhaseTable,
  facts: FactTree,
  pending: Pending,
  open: readonly string[],
): ReadonlySet<string> {
  const found = new Set<string>();
  if (open.length === 0) return found;
  const blank = open.reduce((known, name) => withFact(known, name, unknown), facts);
  const { hits, doubts } = evaluate(table, blank);
  const floor = finalPriority(table.rules, hits);
  const inForce = (position: number): CompiledRule | undefined => {
    const rule = table.rules[position];
    return rule === undefined || rule.shadow !== undefined || rule.policy.metadata.priority < floor ? undefined : rule;
  };
  const denied = hits.find((position) => inForce(position)?.effect === 'deny') ?? Number.POSITIVE_INFINITY;
  const note = (position: number): void => {
    for (const name of pending.get(position) ?? []) if (open.includes(name)) found.add(name);
  };
  for (const position of doubts) {
    const rule = inForce(position);
    if (rule !== undefined && !(position > denied && addsNothing(rule))) note(position);
  }
  // Of a rule that matches whatever they are, they may still stand in the reason.
  for (const position of hits) if (inForce(position) !== undefined) note(position);
  return found;
}

/** Whether a rule does and tells nothing where a call is denied by another. */
function addsNothing({ effect, onError, final, audit, tags, rule }: CompiledRule): boolean {
  return (
    effect !== 'warn' &&
    onError !== 'warn' &&
    !final &&
    audit === undefined &&
    tags.length === 0 &&
    rule.metrics === undefined
  );
}
