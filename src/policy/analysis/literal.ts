import type { LeafNode } from '../node.ts';
import type { LeafOperator } from '../policy.ts';

/** How a part of a condition is wanted to come out. `not_true` takes false and undecided, `not_false` true and undecided. */
export type Want = 'true' | 'false' | 'not_true' | 'not_false';

/** One comparison, and how it has to come out. */
export interface Literal {
  readonly leaf: LeafNode;
  readonly want: Want;
}

export const flipped: Readonly<Record<Want, Want>> = {
  true: 'false',
  false: 'true',
  not_true: 'not_false',
  not_false: 'not_true',
};

const twins: Readonly<Partial<Record<LeafOperator, LeafOperator>>> = {
  ne: 'eq',
  not_in: 'in',
  not_contains: 'contains',
  none: 'any',
};

/** A comparison without its negation: `ne` that has to be true is `eq` that has to be false. */
export interface Atom {
  readonly operator: LeafOperator;
  readonly value: LeafNode['value'];
  readonly want: Want;
}

export function atomOf({ leaf, want }: Literal): Atom {
  if (leaf.operator === 'exists' && leaf.value === false)
    return { operator: 'exists', value: undefined, want: flipped[want] };
  const twin = twins[leaf.operator];
  return twin === undefined
    ? { operator: leaf.operator, value: leaf.operator === 'exists' ? undefined : leaf.value, want }
    : { operator: twin, value: leaf.value, want: flipped[want] };
}

/** Whether no outcome at all serves both wants. */
export function opposed(a: Want, b: Want): boolean {
  return (
    (a === 'true' && (b === 'false' || b === 'not_true')) ||
    (b === 'true' && (a === 'false' || a === 'not_true')) ||
    (a === 'false' && b === 'not_false') ||
    (b === 'false' && a === 'not_false')
  );
}
