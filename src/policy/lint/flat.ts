import { factOf } from '../facts.ts';
import { type FactTree, Unable } from '../unable.ts';

/** Facts by their dotted names, as the command line and tests take them; what could not be computed is `{ unable: why }`. */
export function flatFacts(facts: FactTree): Readonly<Record<string, unknown>> {
  const flat: Record<string, unknown> = {};
  const walk = (tree: FactTree, prefix: string): void => {
    for (const [key, value] of Object.entries(tree)) {
      const name = prefix === '' ? key : `${prefix}.${key}`;
      const branch = typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Unable);
      const open = name.startsWith('metadata.') && factOf(name) !== undefined && Object.keys(value ?? {}).length === 0;
      if (branch && !open) walk(value as FactTree, name);
      else flat[name] = value instanceof Unable ? { unable: value.reason } : value;
    }
  };
  walk(facts, '');
  return flat;
}
