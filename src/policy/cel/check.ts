import { type CallNode, type CelNode, chainOf, type IdentNode, type LoopNode, type SelectNode } from './ast.ts';
import type { Environment } from './environment.ts';
import type { Fault } from './fault.ts';
import { misfit, noFunction } from './misfit.ts';
import { Names, type Reference } from './names.ts';
import { find, type Scope } from './scope.ts';
import { variadic } from './signatures.ts';
import {
  bool,
  bytes,
  type CelType,
  double,
  dyn,
  inDialect,
  int,
  listOf,
  mapOf,
  nothing,
  optionalOf,
  string,
  typeWords,
  Unifier,
  uint,
} from './types.ts';

/** An expression whose names are known. */
export interface Checked {
  readonly type: CelType;
  readonly references: ReadonlyMap<CelNode, Reference>;
  /** The first slot of a loop's or a binding's variables. */
  readonly slots: ReadonlyMap<CelNode, number>;
  readonly slotCount: number;
  readonly faults: readonly Fault[];
}

/** Finds what the names of an expression stand for, and whether its types fit. At most 20 faults are told. */
export function check(node: CelNode, environment: Environment): Checked {
  const checker = new Checker(environment);
  const found = checker.infer(node, undefined);
  return {
    type: checker.unifier.resolve(found, true),
    references: checker.references,
    slots: checker.slots,
    slotCount: checker.slotCount,
    faults: environment.lenient === true ? [] : checker.faults,
  };
}

class Checker extends Names {
  readonly unifier = new Unifier();
  readonly slots = new Map<CelNode, number>();
  slotCount = 0;

  infer(node: CelNode, scope: Scope | undefined): CelType {
    switch (node.kind) {
      case 'literal':
        return inDialect(
          { null: nothing, bool, int, uint, double, string, bytes }[node.type],
          this.environment.dialect,
        );
      case 'ident':
      case 'select':
        return this.name(node, scope);
      case 'call':
        return this.call(node, scope);
      case 'logic':
        for (const operand of node.operands) this.expectBool(operand, scope, node.operator);
        return bool;
      case 'conditional': {
        this.expectBool(node.condition, scope, '?');
        return this.unifier.join(this.infer(node.yes, scope), this.infer(node.no, scope));
      }
      case 'list': {
        const items = node.items.map(({ value, optional }) => this.part(value, optional, scope));
        return listOf(this.joined(items));
      }
      case 'map': {
        const keys = node.entries.map(({ key }) => this.infer(key, scope));
        const values = node.entries.map(({ value, optional }) => this.part(value, optional, scope));
        return mapOf(this.joined(keys), this.joined(values));
      }
      case 'message':
        return this.fault(node.at, node.end, `there is no message type ${node.type}: write a map, {"name": value}`);
      case 'loop':
        return this.loop(node, scope);
      case 'bind': {
        const given = this.infer(node.value, scope);
        const value = node.optional === undefined ? given : this.inside(given, node.value);
        const slot = this.slotCount++;
        this.slots.set(node, slot);
        const body = this.infer(node.body, { name: node.name, slot, type: value, outer: scope });
        return node.optional === 'map' ? optionalOf(body) : body;
      }
    }
  }

  joined(types: readonly CelType[]): CelType {
    const [first, ...rest] = types;
    return first === undefined ? this.unifier.fresh() : rest.reduce((all, one) => this.unifier.join(all, one), first);
  }

  part(value: CelNode, optional: boolean, scope: Scope | undefined): CelType {
    const given = this.infer(value, scope);
    return optional ? this.inside(given, value) : given;
  }

  inside(given: CelType, node: CelNode): CelType {
    const value = this.unifier.fresh();
    if (!this.unifier.fits([given], [optionalOf(value)]))
      return this.fault(
        node.at,
        node.end,
        `an optional belongs here, this is ${typeWords(this.unifier.resolve(given))}`,
      );
    return value;
  }

  expectBool(node: CelNode, scope: Scope | undefined, operator: string): void {
    const given = this.infer(node, scope);
    if (!this.unifier.fits([given], [bool]))
      this.fault(
        node.at,
        node.end,
        `${operator} takes true or false, this is ${typeWords(this.unifier.resolve(given))}`,
      );
  }

  /** A name, or a field of a value: the longest part of a dotted name that is a variable wins. */
  name(node: IdentNode | SelectNode, scope: Scope | undefined): CelType {
    // `has(a.b)` and `a.?b` of a declared name ask that name.
    const chain = chainOf(node.kind === 'select' ? { ...node, optional: false, test: false } : node);
    const local = chain === undefined || chain.root.absolute ? undefined : find(scope, chain.root.name);
    if (chain !== undefined && local === undefined) {
      const whole = this.declared(chain.name, chain.root.absolute, node);
      if (whole !== undefined) {
        if (node.kind === 'ident' || !(node.test || node.optional)) return whole;
        return node.test ? bool : optionalOf(whole);
      }
    }
    if (node.kind === 'select') {
      if (chain !== undefined && local === undefined && !this.known(chain.name)) return this.unknown(node, chain.name);
      return this.select(node, scope);
    }
    if (local !== undefined) {
      this.references.set(node, { kind: 'local', slot: local.slot });
      return local.type;
    }
    return this.unknown(node, node.name);
  }

  select(node: SelectNode, scope: Scope | undefined): CelType {
    const given = this.unifier.resolve(this.infer(node.operand, scope));
    const optional = given.kind === 'opaque' && given.name === 'optional_type';
    const operand = optional ? this.unifier.resolve(given.of[0] ?? dyn) : given;
    let field: CelType = dyn;
    if (operand.kind === 'map') field = operand.of[1];
    else if (operand.kind === 'parameter') field = dyn;
    else if (operand.kind !== 'dyn')
      this.fault(node.fieldAt, node.fieldAt + node.field.length, `${typeWords(operand)} has no field ${node.field}`);
    if (node.test) return bool;
    return node.optional || optional ? optionalOf(field) : field;
  }

  call(node: CallNode, scope: Scope | undefined): CelType {
    const whole = this.indexedName(node, scope);
    if (whole !== undefined) return whole;
    const dotted = this.dottedFunction(node, scope);
    const method = node.target !== undefined && dotted === undefined;
    const name = dotted ?? node.name;
    if (dotted !== undefined) this.references.set(node, { kind: 'function', name });
    const nodes = method && node.target !== undefined ? [node.target, ...node.args] : node.args;
    const given = nodes.map((one) => this.infer(one, scope));
    if (variadic.has(name)) return this.extreme(node, given);
    const overloads = this.environment.functions?.get(name)?.overloads ?? this.library.get(name);
    if (overloads === undefined)
      return this.told(
        noFunction(node, name, [...this.library.keys(), ...variadic, ...(this.environment.functionNames ?? [])]),
      );
    let result: CelType | undefined;
    for (const overload of overloads) {
      if (overload.method !== method || overload.parameters.length !== given.length) continue;
      const { result: own, parameters } = this.unifier.instance(overload);
      if (!this.unifier.fits(given, parameters)) continue;
      const resolved = this.unifier.resolve(own);
      if (result === undefined) result = resolved;
      else if (JSON.stringify(result) !== JSON.stringify(resolved)) result = dyn;
    }
    return result ?? this.told(misfit(node, name, nodes, given, overloads, method, this.unifier));
  }

  /** `math.greatest` and `math.least`. */
  extreme(node: CallNode, given: readonly CelType[]): CelType {
    const [only] = given;
    const list = only === undefined ? undefined : this.unifier.resolve(only);
    const types =
      given.length === 1 && list?.kind === 'list'
        ? [this.unifier.resolve(list.of[0])]
        : given.map((one) => this.unifier.resolve(one));
    const bad = types.findIndex((one) => !['int', 'uint', 'double', 'dyn', 'parameter'].includes(one.kind));
    if (types.length === 0 || bad >= 0) {
      const place = node.args[bad] ?? node;
      return this.fault(place.at, place.end, `${node.name} takes numbers, or a list of them`);
    }
    return types.reduce((all, one) => (all.kind === one.kind ? all : dyn));
  }

  loop(node: LoopNode, scope: Scope | undefined): CelType {
    const range = this.unifier.resolve(this.infer(node.range, scope));
    const whole = inDialect(int, this.environment.dialect);
    let [first, second]: [CelType, CelType] = [dyn, dyn];
    if (range.kind === 'list') [first, second] = [node.variables.length === 1 ? range.of[0] : whole, range.of[0]];
    else if (range.kind === 'map') [first, second] = range.of;
    else if (range.kind !== 'dyn' && range.kind !== 'parameter')
      this.fault(node.range.at, node.range.end, `${node.macro} goes over a list or a map, this is ${typeWords(range)}`);
    const slot = this.slotCount;
    this.slots.set(node, slot);
    this.slotCount += node.variables.length;
    const [one = '', two] = node.variables;
    let inner: Scope = { name: one, slot, type: first, outer: scope };
    if (two !== undefined) inner = { name: two, slot: slot + 1, type: second, outer: inner };
    if (node.filter !== undefined) this.expectBool(node.filter, inner, 'a filter');
    return this.outcome(node, inner, range, first);
  }

  outcome(node: LoopNode, inner: Scope, range: CelType, first: CelType): CelType {
    switch (node.macro) {
      case 'all':
      case 'exists':
      case 'exists_one':
        this.expectBool(node.body, inner, node.macro);
        return bool;
      case 'filter':
        this.expectBool(node.body, inner, node.macro);
        return listOf(first);
      case 'map':
        return listOf(this.infer(node.body, inner));
      case 'transformMap': {
        const value = this.infer(node.body, inner);
        const key =
          range.kind === 'map' ? range.of[0] : range.kind === 'list' ? inDialect(int, this.environment.dialect) : dyn;
        return mapOf(key, value);
      }
      case 'transformMapEntry': {
        const entry = this.unifier.resolve(this.infer(node.body, inner));
        if (entry.kind === 'map') return entry;
        if (entry.kind === 'dyn') return mapOf(dyn, dyn);
        return this.fault(node.body.at, node.body.end, 'an entry is a map of one key');
      }
    }
  }
}
