import type { CelNode } from './ast.ts';

/** A tree with nodes replaced, from the leaves up: `change` is handed each node with its children already replaced. */
export function rewrite(node: CelNode, change: (node: CelNode) => CelNode | undefined): CelNode {
  const whole = withChildren(node, (child) => rewrite(child, change));
  return change(whole) ?? whole;
}

function withChildren(node: CelNode, replaced: (child: CelNode) => CelNode): CelNode {
  switch (node.kind) {
    case 'literal':
    case 'ident':
    case 'message':
      return node;
    case 'select':
      return { ...node, operand: replaced(node.operand) };
    case 'call':
      return {
        ...node,
        target: node.target === undefined ? undefined : replaced(node.target),
        args: node.args.map(replaced),
      };
    case 'logic':
      return { ...node, operands: node.operands.map(replaced) };
    case 'conditional':
      return { ...node, condition: replaced(node.condition), yes: replaced(node.yes), no: replaced(node.no) };
    case 'list':
      return { ...node, items: node.items.map((item) => ({ ...item, value: replaced(item.value) })) };
    case 'map':
      return {
        ...node,
        entries: node.entries.map((entry) => ({ ...entry, key: replaced(entry.key), value: replaced(entry.value) })),
      };
    case 'loop': {
      const filter = node.filter === undefined ? undefined : replaced(node.filter);
      return { ...node, range: replaced(node.range), filter, body: replaced(node.body) };
    }
    case 'bind':
      return { ...node, value: replaced(node.value), body: replaced(node.body) };
  }
}
