import type { CompiledRule } from './compiled-rule.ts';
import { FALSE, TRUE } from './leaf.ts';
import { isExpression } from './node.ts';
import type { Phase } from './policy.ts';
import { inside, type Program } from './program.ts';
import type { FactTree } from './unable.ts';
import { leafWords } from './words.ts';

export interface CoveredLeaf {
  /** The comparison in words. */
  readonly text: string;
  readonly seen_true: boolean;
  readonly seen_false: boolean;
}

export interface CoveredRule {
  /** `policy/rule`. */
  readonly rule: string;
  readonly namespace: string;
  /** How often it was looked at, and how often it matched. */
  readonly evaluated: number;
  readonly matched: number;
  readonly leaves: readonly CoveredLeaf[];
}

export interface CoverageReport {
  /** Outcomes seen of those there are: each comparison true and false; a rule without any, looked at. */
  readonly seen: number;
  readonly total: number;
  /** 0 to 100; 100 where there is nothing to see. */
  readonly percent: number;
  readonly rules: readonly CoveredRule[];
}

interface Tally {
  readonly rule: CompiledRule;
  evaluated: number;
  matched: number;
  readonly seen: { true: boolean; false: boolean }[];
}

/** Counts which comparisons came out true and which false while programs decided. */
export class Coverage {
  readonly #rules = new Map<string, Tally>();

  /** All rules of a program, whether or not anything is decided by them. */
  add(program: Program): void {
    for (const { rules } of Object.values(inside(program).tables)) for (const rule of rules) this.#tally(rule);
  }

  /** Looks at what each rule of the phase says of these facts. */
  see(program: Program, phase: Phase, facts: FactTree): void {
    for (const rule of inside(program).tables[phase].rules) {
      const tally = this.#tally(rule);
      tally.evaluated++;
      if (rule.test === undefined || rule.test(facts) === TRUE) tally.matched++;
      for (const [i, leaf] of rule.leaves.entries()) {
        const seen = tally.seen[i];
        const outcome = leaf.test(facts);
        if (seen === undefined) continue;
        if (outcome === TRUE) seen.true = true;
        else if (outcome === FALSE) seen.false = true;
      }
    }
  }

  /** Whether any facts made a rule match. */
  matched(namespace: string, rule: string): boolean {
    return (this.#rules.get(`${namespace}/${rule}`)?.matched ?? 0) > 0;
  }

  report(): CoverageReport {
    const rules = [...this.#rules.values()].map(
      ({ rule, evaluated, matched, seen }): CoveredRule => ({
        rule: rule.ref,
        namespace: rule.policy.metadata.namespace,
        evaluated,
        matched,
        leaves: rule.leaves.map((leaf, i) => ({
          text: isExpression(leaf) ? leaf.expression : leafWords(leaf),
          seen_true: seen[i]?.true === true,
          seen_false: seen[i]?.false === true,
        })),
      }),
    );
    rules.sort((a, b) => (a.rule < b.rule ? -1 : a.rule > b.rule ? 1 : 0));
    const total = rules.reduce((sum, { leaves }) => sum + Math.max(1, 2 * leaves.length), 0);
    const seen = rules.reduce((sum, rule) => sum + outcomesSeen(rule), 0);
    return { seen, total, percent: total === 0 ? 100 : (100 * seen) / total, rules };
  }

  #tally(rule: CompiledRule): Tally {
    const key = `${rule.policy.metadata.namespace}/${rule.ref}`;
    let tally = this.#rules.get(key);
    if (tally === undefined || tally.rule.leaves.length !== rule.leaves.length) {
      tally = { rule, evaluated: 0, matched: 0, seen: rule.leaves.map(() => ({ true: false, false: false })) };
      this.#rules.set(key, tally);
    }
    return tally;
  }
}

function outcomesSeen({ leaves, evaluated }: CoveredRule): number {
  if (leaves.length === 0) return evaluated > 0 ? 1 : 0;
  return leaves.reduce((sum, leaf) => sum + Number(leaf.seen_true) + Number(leaf.seen_false), 0);
}
