import { Lexicon } from './lexicon.ts';
import { type Classes, parsePattern } from './pattern.ts';
import type { Rule } from './rule.ts';
import { isMark, isUnspaced, type Tokens, type UnitTree, type Vocabulary } from './tokens.ts';

/** Where a rule matched: token numbers, both inclusive. */
export interface Hits {
  count: number;
  rule: Int32Array;
  from: Int32Array;
  to: Int32Array;
  /** Slots visited: the work done, for budgets and tests. */
  steps: number;
  /** Ciphers in which a tell-tale word was seen: bit s for letters moved by s, and the two below. */
  ciphers: number;
}

interface PhraseTree {
  readonly next: Map<number, PhraseTree>;
  phrase: number;
}

/** Bits of `Hits.ciphers` beside the 25 shifts of the alphabet. */
export const atbash_bit = 26;
export const reversed_bit = 27;
export const spelling_bit = 28;

/**
 * All patterns as one table of slots, a slot for each place of each pattern. Reading a word advances the slots that
 * accept it: slot j is reached when slot j-1 was, near enough before. The latest end of a prefix is the best one, since
 * distances have only an upper bound, so one pass finds every pattern that matches, in time linear in the words.
 */
export interface Automaton {
  readonly vocabulary: Vocabulary;
  /** Slots of a word are `wordSlots[wordStart[w] .. wordStart[w + 1])`, later places of a pattern first. */
  readonly wordStart: Int32Array;
  readonly wordSlots: Int32Array;
  /** Phrases that begin with a word; absent for most. */
  readonly phrases: readonly (PhraseTree | undefined)[];
  readonly phraseSlots: readonly Int32Array[];
  readonly gap: Int32Array;
  /** Rule of the pattern, where the slot is its last; -1 elsewhere. */
  readonly completes: Int32Array;
  /** 0: later place; 1: first place; 2: first place, imperative only. */
  readonly opening: Uint8Array;
  /** Words after which an imperative may follow without a pause ("please", "and", "you must"). */
  readonly leads: Uint8Array;
  /** For each word the cipher it is a tell-tale word of, plus one; 0 for plain words. */
  readonly cipher: Uint8Array;
}

function tree(): UnitTree {
  return { next: new Map(), word: -1 };
}

function insert(root: UnitTree, term: string, word: number): void {
  let node = root;
  for (let i = 0; i < term.length; i++) {
    const code = term.charCodeAt(i);
    let next = node.next.get(code);
    if (next === undefined) {
      next = tree();
      node.next.set(code, next);
    }
    node = next;
  }
  node.word = word;
}

/** Compiles rules into one automaton. Throws where a rule is not well formed. */
export function compileRules(
  rules: readonly Rule[],
  classes: Classes,
  leads: readonly string[],
  ciphered: readonly (readonly [word: string, cipher: number])[],
): Automaton {
  const vocabulary: Vocabulary = { lexicon: new Lexicon(), terms: tree(), marks: tree() };
  const idOf = (word: string): number => {
    const id = vocabulary.lexicon.add(word);
    const first = word.charCodeAt(0);
    if (isUnspaced(first)) insert(vocabulary.terms, word, id);
    else if (isMark(first)) insert(vocabulary.marks, word, id);
    return id;
  };
  const wordSlots = new Map<number, number[]>();
  const phrases: (PhraseTree | undefined)[] = [];
  const phraseSlots: number[][] = [];
  const gap: number[] = [];
  const completes: number[] = [];
  const opening: number[] = [];

  const slotsOf = (ids: readonly number[]): number[] => {
    const first = ids[0] ?? -1;
    if (ids.length === 1) {
      const slots = wordSlots.get(first) ?? [];
      wordSlots.set(first, slots);
      return slots;
    }
    let node: PhraseTree = phrases[first] ?? { next: new Map(), phrase: -1 };
    phrases[first] = node;
    for (const id of ids.slice(1)) {
      const next: PhraseTree = node.next.get(id) ?? { next: new Map(), phrase: -1 };
      node.next.set(id, next);
      node = next;
    }
    if (node.phrase === -1) {
      node.phrase = phraseSlots.length;
      phraseSlots.push([]);
    }
    return phraseSlots[node.phrase] ?? [];
  };

  rules.forEach((rule, index) => {
    for (const source of rule.patterns) {
      const { imperative, elements } = parsePattern(source, classes);
      elements.forEach((element, place) => {
        const slot = gap.length;
        gap.push(element.gap);
        completes.push(place === elements.length - 1 ? index : -1);
        opening.push(place > 0 ? 0 : imperative ? 2 : 1);
        for (const term of element.terms) {
          const slots = slotsOf(term.map(idOf));
          if (slots.at(-1) !== slot) slots.push(slot);
        }
      });
    }
  });

  const leadIds = leads.map(idOf);
  const plainWords = vocabulary.lexicon.size;
  const cipherIds = ciphered.map(([word, cipher]) => [vocabulary.lexicon.add(word), cipher] as const);
  const words = vocabulary.lexicon.size;
  const cipher = new Uint8Array(words);
  for (const [id, kind] of cipherIds) if (id >= plainWords) cipher[id] = kind + 1;
  const wordStart = new Int32Array(words + 1);
  const flat: number[] = [];
  for (let word = 0; word < words; word++) {
    wordStart[word] = flat.length;
    flat.push(...(wordSlots.get(word) ?? []).sort((a, b) => b - a));
  }
  wordStart[words] = flat.length;
  const leading = new Uint8Array(words);
  for (const id of leadIds) leading[id] = 1;
  return {
    vocabulary,
    wordStart,
    wordSlots: Int32Array.from(flat),
    phrases,
    phraseSlots: phraseSlots.map((slots) => Int32Array.from(slots.sort((a, b) => b - a))),
    gap: Int32Array.from(gap),
    completes: Int32Array.from(completes),
    opening: Uint8Array.from(opening),
    leads: leading,
    cipher,
  };
}

/** Runs an automaton over texts, one after the other; holds the scratch memory for it. Not re-entrant. */
export class Matcher {
  readonly hits: Hits = {
    count: 0,
    rule: new Int32Array(256),
    from: new Int32Array(256),
    to: new Int32Array(256),
    steps: 0,
    ciphers: 0,
  };
  private readonly automaton: Automaton;
  /** For each slot the two latest ends of its prefix and where those began; positions grow from text to text. */
  private readonly end: Int32Array;
  private readonly begin: Int32Array;
  private base = 64;

  constructor(automaton: Automaton) {
    this.automaton = automaton;
    this.end = new Int32Array(automaton.gap.length * 2);
    this.begin = new Int32Array(automaton.gap.length * 2);
  }

  /** Finds every rule that matches in the tokens; the answer is valid until the next call. */
  match(tokens: Tokens): Hits {
    const { automaton, hits } = this;
    const { wordStart, wordSlots, phrases, phraseSlots, leads, cipher } = automaton;
    hits.count = 0;
    hits.steps = tokens.count;
    hits.ciphers = 0;
    if (this.base > 0x3fffffff) {
      this.base = 64;
      this.end.fill(0);
    }
    let lead = true;
    for (let at = 0; at < tokens.count; at++) {
      const word = tokens.word[at] ?? -1;
      const opens = lead || tokens.opens[at] === 1;
      if (word === -1) {
        lead = false;
        continue;
      }
      const told = cipher[word] ?? 0;
      if (told !== 0) hits.ciphers |= 1 << (told - 1);
      // Long phrases first: a phrase ends later, and a slot keeps its latest ends.
      let node = phrases[word];
      if (node !== undefined) {
        for (let to = at + 1; to < tokens.count && node !== undefined; to++) {
          node = node.next.get(tokens.word[to] ?? -1);
          hits.steps++;
          if (node !== undefined && node.phrase !== -1) {
            const slots = phraseSlots[node.phrase] as Int32Array;
            this.advance(slots, 0, slots.length, at, to, opens);
          }
        }
      }
      this.advance(wordSlots, wordStart[word] ?? 0, wordStart[word + 1] ?? 0, at, at, opens);
      lead = leads[word] === 1;
    }
    this.base += tokens.count + 64;
    return hits;
  }

  private advance(slots: Int32Array, first: number, last: number, at: number, to: number, opens: boolean): void {
    const { end, begin, base } = this;
    const { gap, completes, opening } = this.automaton;
    const from = base + at;
    this.hits.steps += last - first;
    for (let k = first; k < last; k++) {
      const slot = slots[k] ?? 0;
      let start = from;
      const place = opening[slot];
      if (place === 0) {
        const nearest = from - 1 - (gap[slot] ?? 0);
        let before = (slot - 1) * 2;
        // The latest end may be inside a phrase that has not ended yet; the one before it may serve.
        if ((end[before] ?? 0) >= from) before++;
        const ended = end[before] ?? 0;
        if (ended < nearest || ended >= from || ended < base) continue;
        start = begin[before] ?? 0;
      } else if (place === 2 && !opens) continue;
      const rule = completes[slot] ?? -1;
      if (rule !== -1) {
        this.hit(rule, start - base, to);
        continue;
      }
      const reached = base + to;
      const cell = slot * 2;
      if (reached >= (end[cell] ?? 0)) {
        if (reached > (end[cell] ?? 0)) {
          end[cell + 1] = end[cell] ?? 0;
          begin[cell + 1] = begin[cell] ?? 0;
        }
        end[cell] = reached;
        begin[cell] = start;
      } else if (reached > (end[cell + 1] ?? 0)) {
        end[cell + 1] = reached;
        begin[cell + 1] = start;
      }
    }
  }

  private hit(rule: number, from: number, to: number): void {
    const { hits } = this;
    if (hits.count === hits.rule.length) {
      for (const name of ['rule', 'from', 'to'] as const) {
        const wider = new Int32Array(hits.count * 2);
        wider.set(hits[name]);
        hits[name] = wider;
      }
    }
    hits.rule[hits.count] = rule;
    hits.from[hits.count] = from;
    hits.to[hits.count] = to;
    hits.count++;
  }
}
