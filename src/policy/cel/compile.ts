import { expression, expressionMisfit } from '../operators.ts';
import { Unable } from '../unable.ts';
import type { BindNode, CallNode, CelNode, ListNode, LoopNode, MapNode, SelectNode } from './ast.ts';
import type { Checked } from './check.ts';
import { at, optionalAt } from './collections.ts';
import { comparisonOf, memberOf } from './compare.ts';
import { callCost, loopCost } from './cost.ts';
import type { Environment } from './environment.ts';
import type { Fault } from './fault.ts';
import { libraryOf } from './library.ts';
import { loopOf } from './loop.ts';
import {
  alternative,
  constant,
  fieldTest,
  lengthKnown,
  negation,
  oneNumber,
  type Part,
  runs,
  single,
  unknownName,
} from './part.ts';
import { callOf, conditionalOf, type Frame, logicOf, mismatchOf, noOverload, type Run } from './run.ts';
import { CelError, CelMap, type Dialect, failed, none, Optional, TypeValue, Uint } from './values.ts';

/** Closures for an expression; no code is generated. What is wrong with its constants is added to `faults`. */
export function compileExpression(node: CelNode, checked: Checked, environment: Environment, faults: Fault[]): Part {
  return new Compiler(checked, environment, faults).part(node);
}

const idle: Frame = { slots: [], left: 0 };

class Compiler {
  readonly checked: Checked;
  readonly environment: Environment;
  readonly dialect: Dialect;
  readonly faults: Fault[];

  constructor(checked: Checked, environment: Environment, faults: Fault[]) {
    this.checked = checked;
    this.environment = environment;
    this.dialect = environment.dialect;
    this.faults = faults;
  }

  part(node: CelNode): Part {
    switch (node.kind) {
      case 'literal': {
        const { value, type } = node;
        if (typeof value !== 'bigint') return constant(value);
        return constant(
          this.dialect === 'policy' ? this.number(value, node) : type === 'uint' ? new Uint(value) : value,
        );
      }
      case 'ident':
        return this.named(node) ?? constant(unknownName(node.name));
      case 'select':
        return this.select(node);
      case 'call':
        return this.call(node);
      case 'logic': {
        const parts = node.operands.map((operand) => this.part(operand));
        return this.folded(node, logicOf(node.operator === '||', runs(parts), this.dialect), parts, 1);
      }
      case 'conditional': {
        const parts = [this.part(node.condition), this.part(node.yes), this.part(node.no)] as const;
        const [condition, yes, no] = parts;
        return this.folded(node, conditionalOf(condition.run, yes.run, no.run, this.dialect), parts, 1);
      }
      case 'list':
        return this.list(node);
      case 'map':
        return this.map(node);
      case 'message':
        return constant(failed(`there is no message type ${node.type}`));
      case 'loop':
        return this.loop(node);
      case 'bind':
        return this.bind(node);
    }
  }

  number(value: bigint, node: CelNode): number {
    if (this.environment.lenient !== true && BigInt(Number(value)) !== value)
      this.faults.push({ at: node.at, end: node.end, message: 'the number is too large to be exact' });
    return Number(value);
  }

  /** Computed now where all its parts are known: it costs nothing later, and what is wrong with it shows at load. */
  folded(node: CelNode, run: Run, parts: readonly Part[], own: number): Part {
    const cost = parts.reduce((sum, part) => sum + part.cost, own);
    const steps = parts.reduce((sum, part) => sum + part.steps, own);
    if (!parts.every((part) => part.constant !== undefined)) return { run, cost, steps };
    const value = run({}, idle);
    const told = parts.some((part) => part.constant?.value instanceof CelError);
    if (value instanceof CelError && !told && this.dialect === 'policy' && this.environment.lenient !== true)
      this.faults.push({ at: node.at, end: node.end, message: value.reason });
    return constant(value);
  }

  named(node: CelNode): Part | undefined {
    const reference = this.checked.references.get(node);
    switch (reference?.kind) {
      case 'local': {
        const { slot } = reference;
        return single((_, frame) => frame.slots[slot]);
      }
      case 'type':
        return constant(new TypeValue(this.dialect === 'policy' ? oneNumber(reference.name) : reference.name));
      case 'variable': {
        const { variable } = reference;
        if (variable.constant !== undefined) return constant(variable.constant.value);
        if (this.dialect === 'policy') return single((input) => variable.read(input));
        const missing = unknownName(variable.name);
        return single((input) => {
          const value = variable.read(input);
          return value === undefined ? missing : value;
        });
      }
      default:
        return undefined;
    }
  }

  select(node: SelectNode): Part {
    const whole = this.named(node);
    if (whole !== undefined && !node.test && !node.optional) return whole;
    if (whole !== undefined) {
      const present = (value: unknown) => value !== undefined && value !== null;
      const run: Run = node.test
        ? (input, frame) => {
            const value = whole.run(input, frame);
            // A value of the wrong type is there.
            return value instanceof Unable && !(value instanceof CelError) ? value : present(value);
          }
        : (input, frame) => {
            const value = whole.run(input, frame);
            return value instanceof Unable ? value : present(value) ? new Optional(true, value) : none;
          };
      return single(run);
    }
    if (this.checked.references.get(node)?.kind === 'unknown' && node.operand.kind !== 'ident')
      return constant(unknownName(node.field));
    const operand = this.part(node.operand);
    const { field } = node;
    if (node.test) return this.folded(node, fieldTest(operand.run, field, this.dialect), [operand], 1);
    const key = constant(field);
    const compute = node.optional ? optionalAt : (libraryOf(this.dialect).get('_[_]/2') ?? at);
    const guarded = (container: unknown) =>
      Array.isArray(container) ? undefined : compute(container, field, undefined);
    return this.folded(node, callOf(guarded, [operand.run], this.dialect), [operand, key], 1);
  }

  call(node: CallNode): Part {
    const whole = this.named(node);
    if (whole !== undefined) return whole;
    const reference = this.checked.references.get(node);
    const dotted = reference?.kind === 'function' ? reference.name : undefined;
    const name = dotted ?? node.name;
    const method = node.target !== undefined && dotted === undefined;
    const nodes = method && node.target !== undefined ? [node.target, ...node.args] : node.args;
    const parts = nodes.map((one) => this.part(one));
    const declared = method ? undefined : this.environment.functions?.get(name);
    const cost = declared?.cost ?? callCost(name);
    const [a, b] = parts;
    if (a !== undefined && b !== undefined && parts.length === 2) {
      const special = this.special(node, name, method, a, b);
      if (special !== undefined) return this.folded(node, special, parts, cost);
    }
    if (name === '!_' && a !== undefined) {
      return this.folded(node, negation(a.run, this.dialect), parts, cost);
    }
    const library = libraryOf(this.dialect);
    const key = `${method ? '.' : ''}${name}`;
    const compute = declared?.compute ?? library.get(`${key}/${parts.length}`) ?? library.get(`${key}/*`);
    if (compute === undefined)
      return this.folded(
        node,
        callOf(() => noOverload, runs(parts), this.dialect),
        parts,
        cost,
      );
    return this.folded(node, callOf(compute, runs(parts), this.dialect), parts, cost);
  }

  /** Calls of two arguments that are not computed as the others are. */
  special(node: CallNode, name: string, method: boolean, a: Part, b: Part): Run | undefined {
    if (method && (name === 'or' || name === 'orValue')) return alternative(name, a.run, b.run, this.dialect);
    if (name === 'matches' && typeof b.constant?.value === 'string')
      return this.matching(node, a.run, b.constant.value);
    if (this.dialect === 'standard') return undefined;
    const list = b.constant?.value;
    if (name === '@in' && Array.isArray(list) && list.every((item) => typeof item !== 'object' && !Number.isNaN(item)))
      return memberOf(a.run, list);
    return comparisonOf(name, a.run, b.run);
  }

  /** A pattern known at load is compiled at load, and refused there where it is none. */
  matching(node: CallNode, text: Run, pattern: string): Run {
    const fault = pattern === '' ? undefined : expressionMisfit(pattern);
    if (fault !== undefined) {
      const place = node.args.at(-1) ?? node;
      if (this.environment.lenient !== true) this.faults.push({ at: place.at, end: place.end, message: fault });
      return () => failed(fault);
    }
    const compiled = expression(pattern);
    return callOf((value) => (typeof value === 'string' ? compiled.test(value) : undefined), [text], this.dialect);
  }

  list(node: ListNode): Part {
    const { items } = node;
    const parts = items.map(({ value }) => this.part(value));
    const optional = items.map((item) => item.optional);
    const each = runs(parts);
    const run: Run = (input, frame) => {
      const list: unknown[] = [];
      for (let i = 0; i < each.length; i++) {
        const value = (each[i] as Run)(input, frame);
        if (value === undefined || value instanceof Unable) return value;
        if (optional[i] !== true) list.push(value);
        else if (!(value instanceof Optional)) return noOverload;
        else if (value.present) list.push(value.value);
      }
      return list;
    };
    return this.folded(node, run, parts, items.length);
  }

  map(node: MapNode): Part {
    const { entries } = node;
    const keys = entries.map(({ key }) => this.part(key));
    const values = entries.map(({ value }) => this.part(value));
    const standard = this.dialect === 'standard';
    const run: Run = (input, frame) => {
      const map = new CelMap();
      for (const [i, { optional }] of entries.entries()) {
        const key = (keys[i] as Part).run(input, frame);
        if (key === undefined || key instanceof Unable) return key;
        let value = (values[i] as Part).run(input, frame);
        if (value === undefined || value instanceof Unable) return value;
        if (optional) {
          if (!(value instanceof Optional)) return noOverload;
          if (!value.present) continue;
          value = value.value;
        }
        const fault = standard && typeof key === 'number' ? failed('unsupported key type') : map.add(key, value);
        if (fault !== undefined) return fault;
      }
      return map;
    };
    return this.folded(node, run, [...keys, ...values], entries.length);
  }

  loop(node: LoopNode): Part {
    const range = this.part(node.range);
    const filter = node.filter === undefined ? undefined : this.part(node.filter);
    const body = this.part(node.body);
    const first = this.checked.slots.get(node) ?? 0;
    const round = 1 + body.cost + (filter?.cost ?? 0);
    const loop = {
      macro: node.macro,
      range: range.run,
      slots: [first, node.variables.length > 1 ? first + 1 : -1] as const,
      filter: filter?.run,
      body: body.run,
      steps: 1 + body.steps + (filter?.steps ?? 0),
    };
    const cost = range.cost + loopCost(lengthKnown(range), round);
    return { run: loopOf(loop, this.dialect), cost, steps: range.steps + 1 };
  }

  bind(node: BindNode): Part {
    const value = this.part(node.value);
    const body = this.part(node.body);
    const slot = this.checked.slots.get(node) ?? 0;
    const [cost, steps] = [value.cost + body.cost, value.steps + body.steps];
    if (node.optional === undefined) {
      const run: Run = (input, frame) => {
        frame.slots[slot] = value.run(input, frame);
        return body.run(input, frame);
      };
      return { run, cost, steps };
    }
    const wrap = node.optional === 'map';
    const mismatch = mismatchOf(this.dialect);
    const run: Run = (input, frame) => {
      const given = value.run(input, frame);
      if (given === undefined || given instanceof Unable) return given;
      if (!(given instanceof Optional)) return mismatch;
      if (!given.present) return none;
      frame.slots[slot] = given.value;
      const made = body.run(input, frame);
      return !wrap || made === undefined || made instanceof Unable ? made : new Optional(true, made);
    };
    return { run, cost, steps };
  }
}
