import { nearest } from '../problem.ts';
import type { CallNode, CelNode } from './ast.ts';
import type { Fault } from './fault.ts';
import type { Overload } from './signatures.ts';
import { type CelType, dyn, typeWords, type Unifier } from './types.ts';

const shown: Readonly<Record<string, string>> = {
  '@in': 'in',
  '_[_]': 'an index',
  '_[?_]': 'an index',
  '!_': '!',
  '-_': '-',
};

function fault(at: number, end: number, message: string, suggestion?: string): Fault {
  return { at, end, message, ...(suggestion === undefined ? {} : { suggestion }) };
}

/** There is no function of this name; the nearest there is, where one is near. */
export function noFunction(node: CallNode, name: string, library: Iterable<string>): Fault {
  const names = [...library].filter((one) => /^[A-Za-z]/.test(one));
  return fault(node.nameAt, node.nameAt + node.name.length, `unknown function ${name}`, nearest(name, names));
}

/** Why none of a function's signatures fits. */
export function misfit(
  node: CallNode,
  name: string,
  nodes: readonly CelNode[],
  given: readonly CelType[],
  overloads: readonly Overload[],
  method: boolean,
  unifier: Unifier,
): Fault {
  const words = given.map((one) => typeWords(unifier.resolve(one)));
  const operator = !/^[A-Za-z]/.test(name);
  const sign = shown[name] ?? name.replaceAll('_', '');
  if (operator) {
    const message = `${sign} does not work on ${words.join(' and ')}`;
    return fault(node.nameAt, node.nameAt + (sign.length > 2 ? 1 : sign.length), message);
  }
  const fitting = overloads.filter((one) => one.method === method);
  const [at, end] = [node.nameAt, node.nameAt + node.name.length];
  if (fitting.length === 0)
    return fault(
      at,
      end,
      method ? `${name} is called as ${name}(...)` : `${name} is called on a value, as x.${name}(...)`,
    );
  const counts = [...new Set(fitting.map((one) => one.parameters.length - (method ? 1 : 0)))];
  if (!counts.includes(given.length - (method ? 1 : 0)))
    return fault(at, end, `${name} takes ${counts.join(' or ')} arguments`);
  const wrong = nodes.findIndex(
    (_, i) => !fitting.some((one) => unifier.fits([given[i] ?? dyn], [unifier.instance(one).parameters[i] ?? dyn])),
  );
  const place = nodes[wrong];
  if (place === undefined) return fault(at, end, `${name} does not work on ${words.join(', ')}`);
  const wanted = [...new Set(fitting.flatMap((one) => one.parameters[wrong] ?? []).map(typeWords))];
  return fault(place.at, place.end, `${name} takes ${wanted.join(' or ')} here, this is ${words[wrong]}`);
}
