import type { Fact } from '../facts.ts';
import { FALSE, type Outcome, TRUE } from '../leaf.ts';
import { timeOf } from '../operators.ts';
import { withFact } from '../record-facts.ts';
import { type FactTree, Unable } from '../unable.ts';
import { type Atom, atomOf, type Literal, type Want } from './literal.ts';
import { addressPoints, networksIn } from './networks.ts';
import { numberPoints, textPoints } from './points.ts';
import { clashes, composed, isOpaque } from './text-atoms.ts';

/** What a fact may be so that comparisons of it come out as wanted. `unknown`: neither found nor ruled out. */
export type Choice =
  | { readonly kind: 'value'; readonly value: unknown }
  | { readonly kind: 'none' }
  | { readonly kind: 'unknown' };

/** A list of texts is tried with each choice of the named ones, up to this many names. */
const namesMax = 8;
/** Networks whose borders are tried. */
const networksMax = 200;

export function serves(outcome: Outcome, want: Want): boolean {
  switch (want) {
    case 'true':
      return outcome === TRUE;
    case 'false':
      return outcome === FALSE;
    case 'not_true':
      return outcome !== TRUE;
    default:
      return outcome !== FALSE;
  }
}

/**
 * A value of one fact for which all comparisons come out as wanted. Every value is tried on the comparisons themselves;
 * `none` is said where the values tried stand for all there are.
 */
export function choose(fact: Fact, literals: readonly Literal[]): Choice {
  const atoms = literals.map(atomOf);
  if (clashes(atoms)) return { kind: 'none' };
  const { values, complete } = candidatesOf(fact, atoms);
  for (const value of values) {
    const facts: FactTree = value === undefined ? {} : withFact({}, fact.name, value);
    if (literals.every(({ leaf, want }) => serves(leaf.test(facts), want))) return { kind: 'value', value };
  }
  return complete ? { kind: 'none' } : { kind: 'unknown' };
}

interface Candidates {
  readonly values: readonly unknown[];
  readonly complete: boolean;
}

/** What is no value of any type: not there, not computable, of the wrong type. */
const strays: readonly unknown[] = [undefined, new Unable('it could not be computed'), {}];

function candidatesOf(fact: Fact, atoms: readonly Atom[]): Candidates {
  const constants = atoms.flatMap(({ operator, value }) =>
    operator === 'exists' ? [] : Array.isArray(value) ? value : [value],
  );
  // Missing is one value, and nothing else is missing.
  const absent = atoms.some(({ operator, want }) => operator === 'exists' && want === 'false');
  switch (fact.type) {
    case 'boolean':
      return { values: [true, false, ...strays], complete: true };
    case 'number':
      return { values: [...numberPoints(constants.filter(isNumber)), ...strays], complete: true };
    case 'time': {
      const times = numberPoints(constants.flatMap((one) => timeOf(one) ?? []));
      return { values: [...times.filter(Number.isFinite).map(timeValue), ...strays], complete: true };
    }
    case 'list':
      return { values: [[], ...strays], complete: true };
    case 'strings': {
      const lists = listsOf(constants.filter(isText));
      return { values: [...lists.values, ...strays], complete: lists.complete };
    }
    case 'string': {
      const texts = textsOf(constants.filter(isText), atoms);
      return { values: [...texts.values, ...strays], complete: texts.complete || absent };
    }
    default: {
      const texts = textsOf(constants.filter(isText), atoms);
      const lists = listsOf(constants);
      const values = [
        ...texts.values,
        ...numberPoints(constants.filter(isNumber)),
        true,
        false,
        ...lists.values,
        ...strays,
      ];
      const exact = atoms.some(({ operator, want }) => operator === 'eq' && want === 'true');
      return { values, complete: exact || absent || (texts.complete && lists.complete) };
    }
  }
}

const isNumber = (value: unknown): value is number => typeof value === 'number';
const isText = (value: unknown): value is string => typeof value === 'string';

function timeValue(time: number): unknown {
  const date = new Date(time);
  return Number.isNaN(date.getTime()) || time !== Math.floor(time) ? time : date.toISOString();
}

function textsOf(constants: readonly string[], atoms: readonly Atom[]): Candidates {
  const opaque = atoms.filter(isOpaque);
  const exact = atoms.some(({ operator, want }) => (operator === 'eq' || operator === 'in') && want === 'true');
  const networks = opaque.filter(({ operator }) => operator === 'cidr');
  const regions = networks.flatMap(({ value }) => networksIn(value));
  const addresses = addressPoints(regions.slice(0, networksMax));
  const values = [...composed(atoms), ...(networks.length === 0 ? [] : addresses), ...textPoints(constants)];
  // Networks are told apart by addresses; together with anything else that looks into a text they are not.
  const plain = opaque.length === 0 || (regions.length <= networksMax && atoms.every(isNetworkOrThere));
  return { values, complete: exact || plain };
}

const isNetworkOrThere = ({ operator }: Atom) => operator === 'cidr' || operator === 'exists';

// A list is told by which of the named elements it has, and whether it has one that could not be computed.
function listsOf(constants: readonly unknown[]): Candidates {
  const names = [...new Set(constants)];
  const unknown = new Unable('it could not be computed');
  const some = names.slice(0, namesMax);
  const choices = Array.from({ length: 2 ** some.length }, (_, bits) => some.filter((_name, i) => bits & (1 << i)));
  if (names.length > namesMax) choices.push(names, ...names.map((name) => [name]));
  choices.sort((a, b) => a.length - b.length);
  return {
    values: [...choices, ...choices.map((choice) => [...choice, unknown])],
    complete: names.length <= namesMax,
  };
}
