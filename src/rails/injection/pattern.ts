import { normalise } from './normalise.ts';

/** One place of a pattern: the terms it accepts, each a sequence of normalised words, and the distance before it. */
export interface Element {
  readonly terms: readonly (readonly string[])[];
  readonly gap: number;
}

export interface Pattern {
  readonly imperative: boolean;
  readonly elements: readonly Element[];
}

/** Most words that may stand between two elements. */
export const gap_max = 60;

/** Forms of an English verb or noun written `word+`. */
function forms(word: string): readonly string[] {
  const stem = word.endsWith('e') ? word.slice(0, -1) : word;
  const last = word.at(-1) ?? '';
  const third =
    last === 'y' && !'aeiou'.includes(word.at(-2) ?? '')
      ? `${word.slice(0, -1)}ies`
      : /[sx]$|[cs]h$/.test(word)
        ? `${word}es`
        : `${word}s`;
  const past = last === 'y' && !'aeiou'.includes(word.at(-2) ?? '') ? `${word.slice(0, -1)}ied` : `${stem}ed`;
  return [word, third, past, `${stem}ing`];
}

/** A term as normalised words: apostrophes gone, as the tokeniser leaves them out. */
function words(term: string): readonly string[] {
  return term
    .trim()
    .split(/[\s_-]+/)
    .map((word) => normalise(word.replace(/['’]/g, '')).text);
}

/** Named sets of terms: words separated by `|`, or marks of punctuation as they are. */
export type Classes = Readonly<Record<string, string | readonly string[]>>;

function expand(term: string, classes: Classes, depth: number): readonly (readonly string[])[] {
  if (depth > 4) throw new Error(`the class @${term} contains itself`);
  const trimmed = term.trim();
  if (trimmed.startsWith('@')) {
    const members = classes[trimmed.slice(1)];
    if (members === undefined) throw new Error(`a pattern names the class ${trimmed}, which does not exist`);
    if (typeof members !== 'string') return members.map((mark) => [mark]);
    return members.split('|').flatMap((member) => expand(member, classes, depth + 1));
  }
  if (!trimmed.endsWith('+')) return [words(trimmed)];
  const all = words(trimmed.slice(0, -1));
  const last = all.at(-1) ?? '';
  return forms(last).map((form) => [...all.slice(0, -1), form]);
}

/** Reads a pattern (`rule.ts` has the grammar). Throws where it names an unknown class or is empty. */
export function parsePattern(source: string, classes: Classes): Pattern {
  const imperative = source.startsWith('^');
  const elements: Element[] = [];
  let gap = 0;
  for (const part of (imperative ? source.slice(1) : source).match(/\[[^\]]*\]|\S+/g) ?? []) {
    if (/^_\d+$/.test(part)) {
      gap = Number(part.slice(1));
      continue;
    }
    const inner = part.startsWith('[') ? part.slice(1, -1) : part;
    elements.push({ terms: inner.split('|').flatMap((term) => expand(term, classes, 0)), gap });
    if (gap > gap_max) throw new Error(`the pattern "${source}" allows a distance above ${gap_max}`);
    gap = 0;
  }
  if (elements.length === 0) throw new Error(`the pattern "${source}" is empty`);
  return { imperative, elements };
}
