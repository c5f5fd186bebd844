import type { CallNode, CelNode } from '../cel/ast.ts';
import type { Declared } from '../cel/environment.ts';
import { SyntaxFault } from '../cel/fault.ts';
import { parseExpression } from '../cel/parser.ts';
import { rewrite } from '../cel/rewrite.ts';
import { overloadOf } from '../cel/signatures.ts';
import { factPath } from '../facts.ts';
import { nearest } from '../problem.ts';
import { functionOf, missingFunction, policyFunctions } from './catalog.ts';
import type { PolicyFunction } from './function.ts';

/** The functions that are computed from their arguments, as an expression's environment takes them. */
export const computedFunctions: ReadonlyMap<string, Declared> = new Map(
  policyFunctions.flatMap(({ name, is, signatures, cost }): (readonly [string, Declared])[] =>
    is.kind === 'computed'
      ? [[name, { overloads: signatures.map((text) => overloadOf(text, 'policy')), compute: is.compute, cost }]]
      : [],
  ),
);

/**
 * What a call of a policy's function stands for: its expression, the fact it names, or the same call under the function's
 * own name. Undefined for any other call.
 * @throws SyntaxFault where a fact is asked for by arguments that name none.
 */
export function expandFunction(call: CallNode): CelNode | undefined {
  const missing = call.target === undefined ? missingFunction(call.name) : undefined;
  if (missing !== undefined) throw new SyntaxFault(call.nameAt, call.nameAt + call.name.length, missing);
  const known = call.target === undefined ? functionOf(call.name) : undefined;
  if (known === undefined) return undefined;
  const { is, name } = known;
  if (is.kind === 'computed') return call.name === name ? undefined : { ...call, name };
  if (is.kind === 'fact') return factNode(call, known, is);
  if (is.kind === 'listed') return listedNode(call, known, is);
  const form = is.forms.find(({ parameters }) => parameters.length === call.args.length);
  if (form === undefined) throw counted(call, known);
  return filled(bodyOf(form.text), form.parameters, call);
}

function counted(call: CallNode, { name, signatures }: PolicyFunction): SyntaxFault {
  const ways = signatures.map((one) => name + one.slice(0, one.lastIndexOf(') ') + 1)).join(' or ');
  return new SyntaxFault(call.nameAt, call.nameAt + call.name.length, `${call.name} is called as ${ways}`);
}

const bodies = new Map<string, CelNode>();

function bodyOf(text: string): CelNode {
  const known = bodies.get(text);
  if (known !== undefined) return known;
  const body = rewrite(parseExpression(text), (node) => (node.kind === 'call' ? expandFunction(node) : undefined));
  bodies.set(text, body);
  return body;
}

// The body takes the place of the call. Its own variables get names nobody can write, so that none of an argument's is meant.
function filled(body: CelNode, parameters: readonly string[], { at, end, args }: CallNode): CelNode {
  const own = (name: string) => (name.endsWith('_') ? `@${name}` : name);
  const placed = (node: CelNode): CelNode => {
    const here = { ...node, at, end };
    switch (here.kind) {
      case 'ident': {
        const argument = args[parameters.indexOf(here.name)];
        return argument ?? { ...here, name: own(here.name) };
      }
      case 'select':
        return { ...here, fieldAt: at };
      case 'call':
        return { ...here, nameAt: at };
      case 'loop':
        return { ...here, variables: here.variables.map(own) };
      case 'bind':
        return { ...here, name: own(here.name) };
      default:
        return here;
    }
  };
  return rewrite(body, placed);
}

/** Names in a list that an expression is made for; more of them make a dear one. */
const listed_max = 20;

function listedNode(call: CallNode, known: PolicyFunction, { shape, text }: PolicyFunction['is'] & { kind: 'listed' }) {
  const [list] = call.args;
  if (call.args.length !== 1 || list === undefined) throw counted(call, known);
  const items = list.kind === 'list' ? list.items.map(({ value }) => value) : [];
  if (items.length === 0 || items.length > listed_max)
    throw new SyntaxFault(list.at, list.end, `${call.name} takes a list of 1 to ${listed_max} names in quotes here`);
  const names = items.map((item) => {
    const value = item.kind === 'literal' && typeof item.value === 'string' ? item.value : undefined;
    if (value === undefined || !shape.test(value)) throw unfit(call, item, undefined, shape);
    return value;
  });
  return filled(bodyOf(text(names)), [], call);
}

function factNode(call: CallNode, known: PolicyFunction, is: PolicyFunction['is'] & { kind: 'fact' }): CelNode {
  if (call.args.length !== is.choices.length) throw counted(call, known);
  const values = is.choices.map((choice, i) => {
    const arg = call.args[i];
    const value = arg?.kind === 'literal' && typeof arg.value === 'string' ? arg.value : undefined;
    const fits = value !== undefined && (choice instanceof RegExp ? choice.test(value) : choice.includes(value));
    if (arg === undefined || !fits) throw unfit(call, arg, value, choice);
    return value ?? '';
  });
  const { at, end } = call;
  const [root = '', ...fields] = factPath(is.nameOf(...values));
  return fields.reduce<CelNode>(
    (operand, field) => ({ kind: 'select', at, end, operand, field, optional: false, test: false, fieldAt: at }),
    { kind: 'ident', at, end, name: root, absolute: false },
  );
}

function unfit(
  call: CallNode,
  arg: CelNode | undefined,
  value: string | undefined,
  choice: readonly string[] | RegExp,
): SyntaxFault {
  const { at, end } = arg ?? call;
  if (value === undefined || choice instanceof RegExp)
    return new SyntaxFault(at, end, `${call.name} takes a name in quotes here`);
  const near = nearest(value, choice);
  const meant = near === undefined ? '' : ` (did you mean ${near}?)`;
  return new SyntaxFault(at, end, `${call.name} takes ${choice.join(', ')} here${meant}`);
}
