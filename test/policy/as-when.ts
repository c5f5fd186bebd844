import { type Condition, isCall, isLeaf, type Json } from '../../src/policy/policy.ts';

const signs: Readonly<Record<string, string>> = { eq: '==', ne: '!=', gt: '>', gte: '>=', lt: '<', lte: '<=' };

/** What a condition says, as an expression. `hidden` writes each comparison so that it stays one of CEL's own. */
export function asWhen(condition: Condition, hidden = false): string {
  if (isCall(condition)) throw new TypeError('a call');
  if (!isLeaf(condition)) {
    const parts = condition.conditions.map((one) => `(${asWhen(one, hidden)})`);
    return condition.operator === 'not' ? `!${parts[0]}` : parts.join(condition.operator === 'and' ? ' && ' : ' || ');
  }
  const text = comparison(condition.operator, condition.field, condition.value);
  return hidden ? `[true].exists(t, t && ${text})` : text;
}

// A condition's `in` takes what the caller sent as a list too, where it is one.
function within(field: string, shown: string): string {
  const single = `${field} in ${shown}`;
  return field.startsWith('metadata.') ? `(${single} || ${field}.exists(x, x in ${shown}))` : single;
}

function comparison(operator: string, field: string, value: Json | undefined): string {
  const shown = JSON.stringify(value);
  if (operator in signs) return `${field} ${signs[operator]} ${shown}`;
  switch (operator) {
    case 'in':
      return within(field, shown);
    case 'not_in':
      return `!(${within(field, shown)})`;
    case 'contains':
      return `${shown} in ${field}`;
    case 'any':
      return `${field}.exists(x, x in ${shown})`;
    case 'none':
      return `!${field}.exists(x, x in ${shown})`;
    case 'all':
      return (value as readonly string[]).map((one) => `${JSON.stringify(one)} in ${field}`).join(' && ');
    case 'exists':
      return `has(${field})`;
    default:
      throw new TypeError(operator);
  }
}
