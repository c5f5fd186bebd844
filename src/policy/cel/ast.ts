/** A node knows the characters it was read from: `at` up to `end`, UTF-16 offsets from 0. */
interface Placed {
  readonly at: number;
  readonly end: number;
}

export type LiteralType = 'null' | 'bool' | 'int' | 'uint' | 'double' | 'string' | 'bytes';

export interface LiteralNode extends Placed {
  readonly kind: 'literal';
  readonly type: LiteralType;
  /** `int` and `uint` are bigints, `bytes` a Uint8Array. */
  readonly value: null | boolean | bigint | number | string | Uint8Array;
}

export interface IdentNode extends Placed {
  readonly kind: 'ident';
  readonly name: string;
  /** Written with a leading dot: no container and no loop variable is looked into. */
  readonly absolute: boolean;
}

export interface SelectNode extends Placed {
  readonly kind: 'select';
  readonly operand: CelNode;
  readonly field: string;
  /** `a.?b` */
  readonly optional: boolean;
  /** `has(a.b)` */
  readonly test: boolean;
  /** Where the field's name stands. */
  readonly fieldAt: number;
}

export interface CallNode extends Placed {
  readonly kind: 'call';
  /** A function's name, or that of an operator (`_+_`, `_[_]`, `@in`). */
  readonly name: string;
  readonly target: CelNode | undefined;
  readonly args: readonly CelNode[];
  /** Where the name or the operator stands. */
  readonly nameAt: number;
}

/** `&&` and `||` of any length: their operands are equals, not a tower. */
export interface LogicNode extends Placed {
  readonly kind: 'logic';
  readonly operator: '&&' | '||';
  readonly operands: readonly CelNode[];
}

export interface ConditionalNode extends Placed {
  readonly kind: 'conditional';
  readonly condition: CelNode;
  readonly yes: CelNode;
  readonly no: CelNode;
}

export interface ListNode extends Placed {
  readonly kind: 'list';
  readonly items: readonly { readonly value: CelNode; readonly optional: boolean }[];
}

export interface MapNode extends Placed {
  readonly kind: 'map';
  readonly entries: readonly { readonly key: CelNode; readonly value: CelNode; readonly optional: boolean }[];
}

/** `Type{field: value}`: read, so that the refusal can say what it is. There are no message types here. */
export interface MessageNode extends Placed {
  readonly kind: 'message';
  readonly type: string;
}

export type LoopMacro = 'all' | 'exists' | 'exists_one' | 'map' | 'filter' | 'transformMap' | 'transformMapEntry';

export interface LoopNode extends Placed {
  readonly kind: 'loop';
  readonly macro: LoopMacro;
  readonly range: CelNode;
  /** One variable, or two: index and element of a list, key and value of a map. */
  readonly variables: readonly string[];
  /** Elements for which this is false are passed over (`map`, `transformMap`). */
  readonly filter: CelNode | undefined;
  /** The predicate, or what becomes of an element. */
  readonly body: CelNode;
}

/** `cel.bind(name, value, body)`, and `optMap` with its optional taken apart. */
export interface BindNode extends Placed {
  readonly kind: 'bind';
  readonly name: string;
  readonly value: CelNode;
  readonly body: CelNode;
  /** `optMap` wraps the body's value, `optFlatMap` takes it as it is; a plain `bind` has none. */
  readonly optional: 'map' | 'flatMap' | undefined;
}

export type CelNode =
  | LiteralNode
  | IdentNode
  | SelectNode
  | CallNode
  | LogicNode
  | ConditionalNode
  | ListNode
  | MapNode
  | MessageNode
  | LoopNode
  | BindNode;

/** The nodes right below a node, in the order they are written. */
export function childrenOf(node: CelNode): readonly CelNode[] {
  switch (node.kind) {
    case 'literal':
    case 'ident':
    case 'message':
      return [];
    case 'select':
      return [node.operand];
    case 'call':
      return node.target === undefined ? node.args : [node.target, ...node.args];
    case 'logic':
      return node.operands;
    case 'conditional':
      return [node.condition, node.yes, node.no];
    case 'list':
      return node.items.map((item) => item.value);
    case 'map':
      return node.entries.flatMap((entry) => [entry.key, entry.value]);
    case 'loop':
      return node.filter === undefined ? [node.range, node.body] : [node.range, node.filter, node.body];
    case 'bind':
      return [node.value, node.body];
  }
}

/** `a.b.c` of plain names, or undefined where something else is in it. */
export function chainOf(node: CelNode): { readonly name: string; readonly root: IdentNode } | undefined {
  if (node.kind === 'ident') return { name: node.name, root: node };
  if (node.kind !== 'select' || node.optional || node.test) return undefined;
  const below = chainOf(node.operand);
  return below === undefined ? undefined : { name: `${below.name}.${node.field}`, root: below.root };
}
