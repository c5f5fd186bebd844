import { type Automaton, Matcher } from './automaton.ts';
import { Fold } from './fold.ts';
import { judge } from './model.ts';
import { normaliseBriefly } from './normalise.ts';
import { automatonOfRules, rules } from './ruleset.ts';
import { type Evidence, modelWeight, type Scored, score } from './score.ts';
import { emptyTokens, tokenise } from './tokens.ts';
import { type Hidden, hiddenBits, hiddenTags, hiddenVariations } from './views/hidden.ts';
import { encodedViews, letterViews, type Signs, signsOf } from './views/index.ts';
import type { View } from './views/view.ts';

/** What one reading of a text gave; offsets are in the text the inspection began with. */
export interface Reading {
  readonly view: string;
  readonly score: number;
  readonly evidence: readonly { readonly type: string; readonly from: number; readonly to: number }[];
  /** Folds (`Fold`) that were needed within the evidence. */
  readonly how: number;
}

export interface Inspection {
  readonly readings: Reading[];
  readonly hidden: Hidden[];
  /** Work done: characters read and slots visited. */
  steps: number;
  /** There was more to look through than is allowed. */
  exhausted: boolean;
}

/** What counts in an inspection. */
export interface How {
  /** For each rule whether it counts. */
  readonly active: Uint8Array;
  /**
   * What the n-gram model may do: nothing, add to the rules' evidence, or also take away. It learned how people write to a
   * model; what a page or a tool says looks harmless to it.
   */
  readonly model: 'none' | 'adds' | 'weighs';
}

/** Views looked at for one piece of text, and how deep one may be inside another. */
const views_max = 32;
const depth_max = 3;

/** Log-odds from which the model's part in a score is told as a finding of its own. */
const told_min = 1;

const tokens = emptyTokens();
let made: { readonly automaton: Automaton; readonly matcher: Matcher } | undefined;

/** The compiled rules, and scratch to match them with. */
function compiled(): { readonly automaton: Automaton; readonly matcher: Matcher } {
  if (made === undefined) {
    const automaton = automatonOfRules();
    made = { automaton, matcher: new Matcher(automaton) };
  }
  return made;
}

/** Compiles the rules where that has not been done: some tenths of a second that the first inspection need not take. */
export function prepareInspection(): void {
  compiled();
}

function knows(hash: number): boolean {
  const { automaton } = compiled();
  const id = automaton.vocabulary.lexicon.find(hash);
  return id !== -1 && automaton.cipher[id] === 0;
}

interface Read {
  readonly ciphers: number;
  readonly count: number;
  readonly leetish: number;
  readonly single: number;
}

/** Reads one text by the rules; scratch memory is shared, so nothing of it outlives the call. */
function read(text: string, map: Int32Array | undefined, view: string, how: How, into: Inspection): Read {
  const { automaton, matcher } = compiled();
  const normalised = normaliseBriefly(text, map);
  tokenise(normalised, automaton.vocabulary, tokens);
  const hits = matcher.match(tokens);
  into.steps += normalised.length + hits.steps;
  const opinion = how.model === 'none' ? undefined : judge(tokens);
  const extra = opinion === undefined ? 0 : modelWeight(opinion, how.model === 'weighs');
  const scored: Scored = score(rules, hits, tokens.count, how.active, extra);
  if (scored.score > 0) {
    let folds: number = Fold.none;
    const found: Pick<Evidence, 'type' | 'from' | 'to'>[] = [...scored.evidence];
    if (opinion !== undefined && extra >= told_min)
      found.push({ type: 'resembles_attack', from: opinion.from, to: opinion.to - 1 });
    const evidence = found.map(({ type, from, to }) => {
      for (let token = from; token <= to; token++) folds |= tokens.how[token] ?? 0;
      const start = normalised.at[tokens.from[from] ?? 0] ?? 0;
      const last = normalised.at[(tokens.to[to] ?? 1) - 1] ?? 0;
      const end = normalised.at[tokens.to[to] ?? 0] ?? 0;
      // Read backwards, the end comes first.
      return { type, from: Math.min(start, last, end), to: Math.max(start, last, end) };
    });
    into.readings.push({
      view: view === 'plain' && folds !== Fold.none ? 'normalised' : view,
      score: scored.score,
      evidence,
      how: folds,
    });
  }
  return { ciphers: hits.ciphers, count: tokens.count, leetish: tokens.leetish, single: tokens.single };
}

interface Budget {
  views: number;
  readonly steps: number;
}

function* inspectView(view: View, depth: number, how: How, into: Inspection, budget: Budget): Generator<void> {
  if (budget.views-- <= 0 || into.steps > budget.steps) {
    into.exhausted = true;
    return;
  }
  yield;
  yield* inspectText(view.text, view.map, view.name, depth, how, into, budget);
}

function* inspectText(
  text: string,
  map: Int32Array | undefined,
  name: string,
  depth: number,
  how: How,
  into: Inspection,
  budget: Budget,
): Generator<void> {
  const words = read(text, map, name, how, into);
  if (depth >= depth_max) return;
  const seen: Signs = signsOf(text);
  into.steps += text.length;
  if (name !== 'leet' && name !== 'letters_apart') {
    for (const view of letterViews(text, map, seen, words, knows, into)) {
      into.steps += text.length;
      if (view !== undefined) yield* inspectView(view, depth_max, how, into, budget);
    }
  }
  for (const view of encodedViews(text, map, seen)) {
    into.steps += text.length;
    if (view !== undefined) yield* inspectView(view, depth + 1, how, into, budget);
  }
  if (!seen.invisible || depth > 0) return;
  for (const find of [hiddenTags, hiddenVariations, hiddenBits]) {
    const hidden = find(text);
    into.steps += text.length;
    if (hidden === undefined) continue;
    into.hidden.push(hidden);
    yield* inspectView(hidden.view, depth + 1, how, into, budget);
  }
}

/**
 * Reads a piece of text in every way its signs call for. Yields between readings, so a caller may let others run; the
 * scratch memory is free at each yield. Past `steps_max` no further view is opened and the inspection is `exhausted`.
 */
export function* inspect(text: string, how: How, steps_max = Number.POSITIVE_INFINITY): Generator<void, Inspection> {
  const into: Inspection = { readings: [], hidden: [], steps: 0, exhausted: false };
  yield* inspectText(text, undefined, 'plain', 0, how, into, { views: views_max, steps: steps_max });
  return into;
}
