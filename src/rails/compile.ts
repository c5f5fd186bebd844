import { RE2JS } from 're2js';
import type { Lane, LaneMatcher, PatternRef, StreamMatcher } from '../exchange/index.ts';
import { type Anchors, anchorsOf } from './anchors.ts';
import { type Detector, detectorsOf } from './detectors/index.ts';
import { canBeEmpty, type Tree } from './matcher/ast.ts';
import { JsonLane } from './matcher/json-lane.ts';
import { Machine } from './matcher/machine.ts';
import { type Definition, Nfa } from './matcher/nfa.ts';
import { PatternError } from './matcher/pattern-error.ts';
import { PlainLane } from './matcher/plain-lane.ts';
import { literalTree, readPattern } from './matcher/syntax.ts';
import { WholeLane } from './whole-lane.ts';

/** Longest source of an expression and longest literal, in UTF-16 units. */
const sourceMax = 1000;
/** Most states one expression's automaton may have; ours stay far below. */
const expressionStatesMax = 4000;

/**
 * Compiles the patterns of an output policy into one matcher. Throws PatternError, naming the pattern, for a rail or
 * type that does not exist or cannot be followed in a stream, and for a literal or expression that is too long, is not
 * RE2 syntax, can match the empty text, can match nothing, or needs too large an automaton.
 */
export function compileMatcher(patterns: readonly PatternRef[]): StreamMatcher {
  return matcherOf(machineOf(definitionsOf(patterns)));
}

function matcherOf(machine: Machine): StreamMatcher {
  const anchors = anchorsOfAll(machine.definitions);
  return {
    lane({ channel }: Pick<Lane, 'channel'>, whole = false): LaneMatcher {
      if (channel === 'tool_arguments') return new JsonLane(machine);
      return whole && anchors !== undefined ? new WholeLane(machine, anchors) : new PlainLane(machine);
    },
  };
}

/** Undefined where a definition could match without one. */
function anchorsOfAll(definitions: readonly Definition[]): readonly Anchors[] | undefined {
  const all: Anchors[] = [];
  for (const rail of new Set(definitions.map((definition) => definition.rail))) {
    const anchors = anchorsOf(rail);
    if (anchors === undefined) return undefined;
    all.push(anchors);
  }
  return all;
}

/** Every pattern once, with all the references that asked for it. */
function definitionsOf(patterns: readonly PatternRef[]): Definition[] {
  const refs = new Map<Detector, number[]>();
  const definitions: Definition[] = [];
  patterns.forEach((pattern, index) => {
    if (pattern.kind !== 'rail') {
      definitions.push(ownDefinition(pattern, index));
      return;
    }
    for (const detector of detectorsNamed(pattern)) {
      const known = refs.get(detector);
      if (known !== undefined) known.push(index);
      else {
        const asked = [index];
        refs.set(detector, asked);
        definitions.push(detectorDefinition(detector, pattern.rail, asked));
      }
    }
  });
  return definitions;
}

function detectorsNamed(pattern: Extract<PatternRef, { kind: 'rail' }>): readonly Detector[] {
  const name = pattern.type === undefined ? pattern.rail : `${pattern.rail}/${pattern.type}`;
  const all = detectorsOf(pattern.rail);
  if (all.length === 0) throw new PatternError(name, 'this rail cannot be followed in a stream');
  if (pattern.type === undefined) return all;
  const named = all.filter((detector) => detector.type === pattern.type);
  if (named.length === 0) throw new PatternError(name, `the rail has no such type (${typesOf(all).join(', ')})`);
  return named;
}

function typesOf(detectors: readonly Detector[]): string[] {
  return [...new Set(detectors.map((detector) => detector.type))];
}

/** A detector as the automaton knows it. */
export function detectorDefinition(detector: Detector, rail: string, refs: readonly number[]): Definition {
  const { type, tree, fold, check } = detector;
  const definition = { refs, rail, type, tree, fold };
  return check === undefined ? definition : { ...definition, check };
}

function ownDefinition(pattern: Extract<PatternRef, { id: string }>, index: number): Definition {
  const source = pattern.kind === 'literal' ? pattern.text : pattern.source;
  if (source.length > sourceMax) throw new PatternError(pattern.id, `longer than ${sourceMax} characters`);
  const tree = pattern.kind === 'literal' ? ownLiteral(pattern) : expressionTree(pattern.id, pattern.source);
  if (canBeEmpty(tree)) throw new PatternError(pattern.id, 'it can match the empty text');
  return { refs: [index], rail: pattern.kind, type: pattern.id, tree, fold: pattern.kind === 'literal' };
}

function ownLiteral(pattern: Extract<PatternRef, { kind: 'literal' }>): Tree {
  return literalTree(pattern.text, { fold: true, ignoreCase: pattern.ignoreCase });
}

/** An expression as a tree: RE2 says whether it is RE2 syntax, our own reader what it means. */
function expressionTree(id: string, source: string): Tree {
  try {
    RE2JS.compile(source);
    return readPattern(source, { fold: false, ignoreCase: false, own: false });
  } catch (thrown) {
    throw new PatternError(id, `not RE2 syntax: ${thrown instanceof Error ? thrown.message : String(thrown)}`);
  }
}

/** The automaton of all definitions; each expression alone must fit. */
function machineOf(definitions: readonly Definition[]): Machine {
  for (const definition of definitions) {
    try {
      if (definition.rail === 'expression') new Nfa([definition], expressionStatesMax);
    } catch (thrown) {
      throw new PatternError(definition.type, thrown instanceof Error ? thrown.message : String(thrown));
    }
  }
  return new Machine(definitions);
}
