import type { Hits } from './automaton.ts';
import type { Opinion } from './model.ts';
import type { AttackType, Rule } from './rule.ts';

/** Words in a window and from one window's start to the next: an attack is dense, a long text is not. */
export const window_words = 100;
export const stride_words = 50;

/** Log-odds of a text without any evidence. */
export const prior = -3.3;
/** Log-odds taken away for each doubling of the number of windows: a long text has more chances to look odd. */
const perDoubling = 0.25;

export interface Evidence {
  readonly type: AttackType;
  /** Where its heaviest rule matched: token numbers, inclusive. */
  from: number;
  to: number;
  /** Sum of the rules' weights of this type. */
  weight: number;
  heaviest: number;
}

export interface Scored {
  /** 0 to 1. */
  score: number;
  /** Evidence in the densest window, strongest first. */
  evidence: readonly Evidence[];
}

export const nothing: Scored = { score: 0, evidence: [] };

export function logistic(logOdds: number): number {
  return 1 / (1 + Math.exp(-logOdds));
}

/** Share of the model's log-odds that is believed, and their bounds: it adds to what the rules say, and rarely decides. */
const model_share = 1;
const model_least = -1;
const model_most = 4.2;

/** Words from which the model is fully heard: a short sentence has too few features, and short attacks are the rules' part. */
const words_sure = 60;

/** What the n-gram model adds to the rules' log-odds; without `doubts` it only adds. */
export function modelWeight(opinion: Pick<Opinion, 'logOdds' | 'from' | 'to'>, doubts: boolean): number {
  const sure = Math.min(1, (opinion.to - opinion.from) / words_sure);
  return sure * Math.max(doubts ? model_least : 0, Math.min(model_most, model_share * opinion.logOdds));
}

/** The last two windows a rule was counted in; scratch. */
let seenIn = new Int32Array(0);

/**
 * Joins the evidence: within each window of about 100 words the weights of the distinct rules that hit are added as
 * log-odds; the densest window speaks for the text. `active[rule]` says which rules count.
 */
export function score(rules: readonly Rule[], hits: Hits, words: number, active: Uint8Array, extra: number): Scored {
  if (hits.count === 0 && extra <= 0) return nothing;
  const windows = Math.max(1, Math.ceil((words - window_words) / stride_words) + 1);
  const sums = new Float64Array(windows);
  if (seenIn.length < rules.length * 2) seenIn = new Int32Array(rules.length * 2);
  seenIn.fill(-1);
  for (let hit = 0; hit < hits.count; hit++) {
    const rule = hits.rule[hit] ?? 0;
    if (active[rule] === 0) continue;
    const first = Math.max(0, Math.ceil(((hits.to[hit] ?? 0) + 1 - window_words) / stride_words));
    const last = Math.min(windows - 1, Math.floor((hits.from[hit] ?? 0) / stride_words));
    for (let w = first; w <= last; w++) {
      // Hits come in the order of their ends, so a rule's last two windows tell whether it was counted.
      const cell = rule * 2 + (w & 1);
      if ((seenIn[cell] ?? -1) >= w) continue;
      seenIn[cell] = w;
      sums[w] = (sums[w] ?? 0) + (rules[rule]?.weight ?? 0);
    }
  }
  let best = 0;
  for (let w = 1; w < windows; w++) if ((sums[w] ?? 0) > (sums[best] ?? 0)) best = w;
  const total = (sums[best] ?? 0) + extra;
  if (total <= 0) return nothing;
  return {
    score: logistic(prior + total - perDoubling * Math.log2(windows)),
    evidence: evidenceIn(rules, hits, active, best),
  };
}

function evidenceIn(rules: readonly Rule[], hits: Hits, active: Uint8Array, window: number): readonly Evidence[] {
  const start = window * stride_words;
  const seen = new Set<number>();
  const byType = new Map<AttackType, Evidence>();
  for (let hit = 0; hit < hits.count; hit++) {
    const index = hits.rule[hit] ?? 0;
    const from = hits.from[hit] ?? 0;
    const to = hits.to[hit] ?? 0;
    const rule = rules[index];
    if (rule === undefined || active[index] === 0 || rule.weight <= 0) continue;
    if (from < start || to >= start + window_words || seen.has(index)) continue;
    seen.add(index);
    const known = byType.get(rule.type);
    if (known === undefined)
      byType.set(rule.type, { type: rule.type, from, to, weight: rule.weight, heaviest: rule.weight });
    else {
      known.weight += rule.weight;
      if (rule.weight <= known.heaviest) continue;
      known.heaviest = rule.weight;
      known.from = from;
      known.to = to;
    }
  }
  return [...byType.values()].sort((a, b) => b.weight - a.weight);
}
