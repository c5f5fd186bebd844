import type { Redaction } from './decision.ts';
import { type EndNode, isExpression } from './node.ts';
import { railOf, railStreams } from './rails.ts';

/** One thing a stream is searched for. The same shape as the pattern of `exchange/rail.ts`, which this room does not import. */
export type PatternRef =
  | { readonly kind: 'rail'; readonly rail: string; readonly type?: string }
  | { readonly kind: 'literal'; readonly id: string; readonly text: string; readonly ignoreCase: boolean }
  | { readonly kind: 'expression'; readonly id: string; readonly source: string };

/** Two patterns with one key find the same things. */
export function patternKey(pattern: PatternRef): string {
  if (pattern.kind === 'rail')
    return pattern.type === undefined ? `rail:${pattern.rail}` : `rail:${pattern.rail}/${pattern.type}`;
  return pattern.kind === 'literal' ? `literal:${pattern.text}` : `expression:${pattern.source}`;
}

/** `pii` or `pii/card` as a pattern. */
export function railPattern(entry: string): PatternRef {
  const slash = entry.indexOf('/');
  return slash < 0
    ? { kind: 'rail', rail: entry }
    : { kind: 'rail', rail: entry.slice(0, slash), type: entry.slice(slash + 1) };
}

/** What a redaction searches for. Its own expressions and literals are called after its rule, so placeholders can name them. */
export function patternsOf(
  redaction: Pick<Redaction, 'rails' | 'patterns' | 'literals' | 'rule'>,
): readonly PatternRef[] {
  const id = redaction.rule.slice(redaction.rule.lastIndexOf('/') + 1);
  return [
    ...redaction.rails.map(railPattern),
    ...redaction.patterns.map((source): PatternRef => ({ kind: 'expression', id, source })),
    ...redaction.literals.map((text): PatternRef => ({ kind: 'literal', id, text, ignoreCase: false })),
  ];
}

/**
 * The patterns of a comparison that is true as soon as one of them is found; a sentence where it is not of that kind,
 * undefined where it is no comparison of the reply at all.
 */
export function findingsOf(leaf: EndNode, id: string): readonly PatternRef[] | string | undefined {
  if (isExpression(leaf)) {
    const found = leaf.facts.some((fact) => fact.ofReply || railOf(fact.name) !== undefined);
    return found ? `${leaf.expression} looks at the whole reply` : undefined;
  }
  const { fact, operator, value } = leaf;
  const rail = railOf(fact.name);
  if (rail === undefined) {
    if (!fact.ofReply) return undefined;
    if (fact.name !== 'response.text') return `${fact.name} is known at the end of the reply`;
    if (operator === 'contains' && typeof value === 'string' && value !== '')
      return [{ kind: 'literal', id, text: value, ignoreCase: false }];
    if (operator === 'matches' && typeof value === 'string') return [{ kind: 'expression', id, source: value }];
    return `${fact.name} ${operator} looks at the whole reply`;
  }
  if (!railStreams(rail)) return `${fact.name}: the rail ${rail} judges whole replies`;
  if (
    fact.name.endsWith('.found') &&
    ((operator === 'eq' && value === true) || (operator === 'in' && onlyTrue(value)))
  ) {
    return [{ kind: 'rail', rail }];
  }
  if (fact.name.endsWith('.types')) {
    if (operator === 'contains' && typeof value === 'string') return [{ kind: 'rail', rail, type: value }];
    if ((operator === 'any' || operator === 'in') && Array.isArray(value)) {
      return value.map((type): PatternRef => ({ kind: 'rail', rail, type: String(type) }));
    }
  }
  return `${fact.name} ${operator} is no single finding`;
}

function onlyTrue(value: unknown): boolean {
  return Array.isArray(value) && value.every((item) => item === true);
}
