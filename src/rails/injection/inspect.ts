import { Matcher } from './automaton.ts';
import { Fold } from './fold.ts';
import { normaliseBriefly } from './normalise.ts';
import { automaton, rules } from './ruleset.ts';
import { type Scored, score } from './score.ts';
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
  /** More disguises were nested or mixed than are looked through. */
  exhausted: boolean;
}

/** Views looked at for one piece of text, and how deep one may be inside another. */
const views_max = 32;
const depth_max = 3;

const tokens = emptyTokens();
const matcher = new Matcher(automaton);

function knows(hash: number): boolean {
  const id = automaton.vocabulary.lexicon.find(hash);
  return id !== -1 && automaton.cipher[id] === 0;
}

interface Read {
  readonly ciphers: number;
  readonly leetish: number;
  readonly single: number;
}

/** Reads one text by the rules; scratch memory is shared, so nothing of it outlives the call. */
function read(text: string, map: Int32Array | undefined, view: string, active: Uint8Array, into: Inspection): Read {
  const normalised = normaliseBriefly(text, map);
  tokenise(normalised, automaton.vocabulary, tokens);
  const hits = matcher.match(tokens);
  into.steps += normalised.length + hits.steps;
  const scored: Scored = score(rules, hits, tokens.count, active, 0);
  if (scored.score > 0) {
    let how: number = Fold.none;
    const evidence = scored.evidence.map(({ type, from, to }) => {
      for (let token = from; token <= to; token++) how |= tokens.how[token] ?? 0;
      const start = normalised.at[tokens.from[from] ?? 0] ?? 0;
      const last = normalised.at[(tokens.to[to] ?? 1) - 1] ?? 0;
      const end = normalised.at[tokens.to[to] ?? 0] ?? 0;
      // Read backwards, the end comes first.
      return { type, from: Math.min(start, last, end), to: Math.max(start, last, end) };
    });
    into.readings.push({ view: view === 'plain' && how !== Fold.none ? 'normalised' : view, score: scored.score, evidence, how });
  }
  return { ciphers: hits.ciphers, leetish: tokens.leetish, single: tokens.single };
}

function* inspectView(
  view: View,
  depth: number,
  active: Uint8Array,
  into: Inspection,
  budget: { views: number },
): Generator<void> {
  if (budget.views-- <= 0) {
    into.exhausted = true;
    return;
  }
  yield;
  yield* inspectText(view.text, view.map, view.name, depth, active, into, budget);
}

function* inspectText(
  text: string,
  map: Int32Array | undefined,
  name: string,
  depth: number,
  active: Uint8Array,
  into: Inspection,
  budget: { views: number },
): Generator<void> {
  const words = read(text, map, name, active, into);
  if (depth >= depth_max) return;
  const seen: Signs = signsOf(text);
  into.steps += text.length;
  if (name !== 'leet' && name !== 'letters_apart') {
    const wordSigns = { ciphers: words.ciphers, leetish: words.leetish, single: words.single };
    for (const view of letterViews(text, map, seen, wordSigns, knows, into)) {
      into.steps += text.length;
      if (view !== undefined) yield* inspectView(view, depth_max, active, into, budget);
    }
  }
  for (const view of encodedViews(text, map, seen)) {
    into.steps += text.length;
    if (view !== undefined) yield* inspectView(view, depth + 1, active, into, budget);
  }
  if (!seen.invisible || depth > 0) return;
  for (const find of [hiddenTags, hiddenVariations, hiddenBits]) {
    const hidden = find(text);
    into.steps += text.length;
    if (hidden === undefined) continue;
    into.hidden.push(hidden);
    yield* inspectView(hidden.view, depth + 1, active, into, budget);
  }
}

/**
 * Reads a piece of text in every way its signs call for. Yields between readings, so a caller may let others run; the
 * scratch memory is free at each yield. `active[rule]` says which rules count.
 */
export function* inspect(text: string, active: Uint8Array): Generator<void, Inspection> {
  const into: Inspection = { readings: [], hidden: [], steps: 0, exhausted: false };
  yield* inspectText(text, undefined, 'plain', 0, active, into, { views: views_max });
  return into;
}
