import { FALSE, TRUE } from './leaf.ts';
import type { Phase } from './policy.ts';
import { inside, type Program } from './program.ts';
import type { FactTree } from './unable.ts';

export interface Measured {
  /** Rules of the phase. */
  readonly rules: number;
  /** Rules with an equality that these facts do not meet: an index finds the others without looking at them. */
  readonly ruled_out: number;
  readonly matched: number;
}

/** How much of a program these facts leave to look at. */
export function measured(program: Program, phase: Phase, facts: FactTree): Measured {
  const { rules } = inside(program).tables[phase];
  return {
    rules: rules.length,
    ruled_out: rules.filter(({ keys }) => keys.some(({ leaf }) => leaf.test(facts) === FALSE)).length,
    matched: rules.filter(({ test }) => test === undefined || test(facts) === TRUE).length,
  };
}
