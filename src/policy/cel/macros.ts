import { type CallNode, type CelNode, chainOf, type LoopMacro } from './ast.ts';
import { SyntaxFault } from './fault.ts';

type Made = <N extends CelNode>(node: N) => N;
type Expand = (call: CallNode, target: CelNode, made: Made) => CelNode;

/** Macros by name and number of arguments. Other numbers are ordinary calls. */
const loops: Readonly<Record<string, Expand>> = {
  'all/2': loop('all', 1),
  'all/3': loop('all', 2),
  'exists/2': loop('exists', 1),
  'exists/3': loop('exists', 2),
  'exists_one/2': loop('exists_one', 1),
  'exists_one/3': loop('exists_one', 2),
  'existsOne/2': loop('exists_one', 1),
  'existsOne/3': loop('exists_one', 2),
  'map/2': loop('map', 1),
  'map/3': loop('map', 1, true),
  'filter/2': loop('filter', 1),
  'transformList/3': loop('map', 2),
  'transformList/4': loop('map', 2, true),
  'transformMap/3': loop('transformMap', 2),
  'transformMap/4': loop('transformMap', 2, true),
  'transformMapEntry/3': loop('transformMapEntry', 2),
  'transformMapEntry/4': loop('transformMapEntry', 2, true),
  'optMap/2': optional('map'),
  'optFlatMap/2': optional('flatMap'),
};

/** What a call stands for where it is a macro, undefined where it is none. */
export function expandMacro(call: CallNode, made: Made): CelNode | undefined {
  const { name, target, args } = call;
  if (target === undefined) return name === 'has' ? has(call, made) : undefined;
  if (target.kind === 'ident' && target.name === 'cel') {
    const expanded = celMacro(call, made);
    if (expanded !== undefined) return expanded;
  }
  const key = `${name}/${args.length}`;
  return Object.hasOwn(loops, key) ? loops[key]?.(call, target, made) : undefined;
}

function has({ args, nameAt, at, end }: CallNode, made: Made): CelNode {
  const [only] = args;
  if (args.length !== 1 || only?.kind !== 'select' || only.test)
    throw new SyntaxFault(nameAt, nameAt + 3, 'has takes one field, such as has(a.b)');
  return made({ ...only, at, end, test: true });
}

function celMacro({ name, args, at, end, nameAt }: CallNode, made: Made): CelNode | undefined {
  const [first, value, body] = args;
  if (name === 'bind') {
    if (first === undefined || value === undefined || body === undefined || args.length !== 3)
      throw new SyntaxFault(nameAt, nameAt + 4, 'cel.bind takes a name, its value, and what is to be computed with it');
    return made({ kind: 'bind', at, end, name: variable(first), value, body, optional: undefined });
  }
  if (name === 'block' && args.length === 2 && first?.kind === 'list' && value !== undefined) {
    return first.items.reduceRight<CelNode>(
      (rest, item, i) =>
        made({ kind: 'bind', at, end, name: `@index${i}`, value: item.value, body: rest, optional: undefined }),
      value,
    );
  }
  const numbers = args.map((arg) => (arg.kind === 'literal' && typeof arg.value === 'bigint' ? arg.value : undefined));
  if (numbers.includes(undefined)) return undefined;
  if (name === 'index' && args.length === 1)
    return made({ kind: 'ident', at, end, name: `@index${numbers[0]}`, absolute: false });
  return name === 'iterVar' && args.length === 2
    ? made({ kind: 'ident', at, end, name: `@it:${numbers.join(':')}`, absolute: false })
    : undefined;
}

function loop(macro: LoopMacro, variables: 1 | 2, filtered = false): Expand {
  return ({ args, at, end }, range, made) => {
    const names = args.slice(0, variables).map(variable);
    if (names.length === 2 && names[0] === names[1])
      throw new SyntaxFault(args[1]?.at ?? at, args[1]?.end ?? end, 'the two variables need two names');
    const body = args.at(-1);
    const filter = filtered ? args.at(-2) : undefined;
    if (body === undefined) throw new SyntaxFault(at, end, `${macro} needs an expression`);
    return made({ kind: 'loop', at, end, macro, range, variables: names, filter, body });
  };
}

function optional(kind: 'map' | 'flatMap'): Expand {
  return ({ args, at, end }, value, made) => {
    const [name, body] = args;
    if (name === undefined || body === undefined) throw new SyntaxFault(at, end, 'optMap needs an expression');
    return made({ kind: 'bind', at, end, name: variable(name), value, body, optional: kind });
  };
}

function variable(node: CelNode): string {
  const chain = chainOf(node);
  if (node.kind === 'ident' && chain !== undefined && !node.absolute) return node.name;
  throw new SyntaxFault(node.at, node.end, 'a variable is a single name');
}
