import { type CallNode, type CelNode, chainOf } from './ast.ts';
import { candidates, type Environment, type Variable } from './environment.ts';
import type { Fault } from './fault.ts';
import { find, type Scope, typeNames } from './scope.ts';
import { type Overload, signatures, variadic } from './signatures.ts';
import { type CelType, dyn, type } from './types.ts';

/** What a name turned out to be. */
export type Reference =
  | { readonly kind: 'variable'; readonly variable: Variable }
  /** A variable of a macro: its place among the values a running expression keeps. */
  | { readonly kind: 'local'; readonly slot: number }
  | { readonly kind: 'type'; readonly name: string }
  /** A call of a function with a dotted name: what stands before the dot is no value. */
  | { readonly kind: 'function'; readonly name: string }
  | { readonly kind: 'unknown'; readonly name: string };

/** Finds what the names of one expression stand for. */
export class Names {
  readonly environment: Environment;
  readonly library: ReadonlyMap<string, readonly Overload[]>;
  readonly references = new Map<CelNode, Reference>();
  readonly faults: Fault[] = [];

  constructor(environment: Environment) {
    this.environment = environment;
    this.library = signatures(environment.dialect);
  }

  fault(at: number, end: number, message: string, suggestion?: string): CelType {
    return this.told({ at, end, message, ...(suggestion === undefined ? {} : { suggestion }) });
  }

  told(fault: Fault): CelType {
    if (this.faults.length < 20) this.faults.push(fault);
    return dyn;
  }

  declared(name: string, absolute: boolean, node: CelNode): CelType | undefined {
    for (const candidate of candidates(name, this.environment.container, absolute)) {
      const variable = this.environment.variable(candidate);
      if (variable !== undefined) {
        this.references.set(node, { kind: 'variable', variable });
        return variable.type;
      }
      const typeName = typeNames.get(candidate);
      if (typeName !== undefined) {
        this.references.set(node, { kind: 'type', name: typeName });
        return type;
      }
    }
    return undefined;
  }

  /** Whether some beginning of a dotted name is a variable or a type. */
  known(name: string): boolean {
    for (let end = name.length; end > 0; end = name.lastIndexOf('.', end - 1)) {
      const part = name.slice(0, end);
      for (const candidate of candidates(part, this.environment.container, false)) {
        if (this.environment.variable(candidate) !== undefined || typeNames.has(candidate)) return true;
      }
    }
    return false;
  }

  unknown(node: CelNode, name: string): CelType {
    this.references.set(node, { kind: 'unknown', name });
    const told = this.environment.unknown?.(name);
    return this.fault(node.at, node.end, told?.message ?? `unknown name ${name}`, told?.suggestion);
  }

  /** `a["b-c"]` of a declared name: it may hold what no field's name may. */
  indexedName(node: CallNode, scope: Scope | undefined): CelType | undefined {
    const [container, key] = node.args;
    const chain = node.name === '_[_]' && container !== undefined ? chainOf(container) : undefined;
    if (chain === undefined || key?.kind !== 'literal' || typeof key.value !== 'string' || key.value.includes('.'))
      return undefined;
    if (this.environment.dialect !== 'policy' || find(scope, chain.root.name) !== undefined) return undefined;
    return this.declared(`${chain.name}.${key.value}`, chain.root.absolute, node);
  }

  dottedFunction(node: CallNode, scope: Scope | undefined): string | undefined {
    const chain = node.target === undefined ? { name: '', root: undefined } : chainOf(node.target);
    if (chain === undefined || (chain.root !== undefined && find(scope, chain.root.name) !== undefined))
      return undefined;
    const name = chain.name === '' ? node.name : `${chain.name}.${node.name}`;
    const absolute = chain.root?.absolute === true;
    return candidates(name, this.environment.container, absolute).find(
      (one) =>
        (one !== node.name || chain.name !== '') &&
        (this.library.has(one) || variadic.has(one) || this.environment.functions?.has(one) === true),
    );
  }
}
