import type { Finding, Measured, Passage, Rail } from '../../exchange/index.ts';
import { chunksOf } from './chunks.ts';
import { Fold } from './fold.ts';
import { type How, type Inspection, inspect, prepareInspection } from './inspect.ts';
import { attackTypes } from './rule.ts';
import { rules } from './ruleset.ts';
import { type InjectionProfile, injectionThresholds, profileOf } from './thresholds.ts';
import { viewNames } from './views/index.ts';

const name = 'injection';

/** Longest passage that is read, in UTF-16 units; beyond it the rail is `unable`. */
export const passage_units_max = 8_388_608;
/**
 * Steps (characters read, slots visited) `measure` may take before it is `unable`: 10 to 20 ms. Ordinary prose takes
 * three to eight steps a character, so about 100,000 to 250,000 characters; longer passages are for `measureSlices`.
 */
export const measure_steps_max = 800_000;
/** The same for `measureSlices`, which lets others run in between. */
export const slices_steps_max = 400_000_000;
/** Most findings told of one passage. */
const findings_max = 64;
/** Score of hidden text that says nothing known: hiding it is the finding. */
const hidden_score = 0.9;

const foldTypes = [
  [Fold.invisible, 'obfuscated_invisible'],
  [Fold.mark, 'obfuscated_marks'],
  [Fold.compatibility, 'obfuscated_lettering'],
  [Fold.lookAlike, 'obfuscated_lookalikes'],
] as const;

const smugglingTypes = ['tag_smuggling', 'variation_smuggling', 'zero_width_smuggling'] as const;
const hiddenViews = ['tags', 'variation_selectors', 'zero_width_bits'] as const;

const types: readonly string[] = [
  ...attackTypes,
  ...smugglingTypes,
  ...foldTypes.map(([, type]) => type),
  ...viewNames.map((view) => `obfuscated_${view}`),
];

interface Scope {
  readonly profile: InjectionProfile;
  readonly how: How;
  readonly wants: (type: string) => boolean;
}

function scopeOf(passage: Passage, asked: readonly string[] | undefined): Scope {
  const profile = profileOf(passage);
  const wanted = asked === undefined ? undefined : new Set(asked);
  // Where only an obfuscation is asked for, every rule counts: it is by them that something was hidden.
  const byRules = wanted === undefined || !attackTypes.some((type) => wanted.has(type));
  const active = new Uint8Array(rules.length);
  rules.forEach((rule, index) => {
    const inPlace = rule.outsideOnly !== true || profile === 'strict';
    if (profile !== 'smuggling' && inPlace && (byRules || wanted.has(rule.type) || rule.weight < 0)) active[index] = 1;
  });
  const heard = profile !== 'smuggling' && (wanted === undefined || wanted.has('resembles_attack') || byRules);
  const model = !heard ? 'none' : profile === 'strict' ? 'adds' : 'weighs';
  return { profile, how: { active, model }, wants: (type) => wanted === undefined || wanted.has(type) };
}

class Findings {
  private readonly byKey = new Map<string, Finding>();

  add(type: string, view: string, score: number, start: number, end: number): void {
    const key = `${type} ${view}`;
    const known = this.byKey.get(key);
    if (known === undefined ? this.byKey.size < findings_max : known.score < score)
      this.byKey.set(key, { rail: name, type, start, end, score, view });
  }

  measured(): Measured {
    if (this.byKey.size === 0) return { outcome: 'clear' };
    return { outcome: 'findings', findings: [...this.byKey.values()].sort((a, b) => b.score - a.score) };
  }
}

function collect(inspection: Inspection, scope: Scope, offset: number, penalty: number, findings: Findings): void {
  for (const { type, view, length } of inspection.hidden) {
    if (!scope.wants(type) || length === 0) continue;
    findings.add(
      type,
      view.name,
      hidden_score,
      offset + (view.map[0] ?? 0),
      offset + (view.map[view.map.length - 2] ?? 0) + 1,
    );
  }
  if (scope.profile === 'smuggling') return;
  const threshold = injectionThresholds[scope.profile];
  const plain = inspection.readings[0]?.view === 'plain' ? (inspection.readings[0]?.score ?? 0) : 0;
  for (const reading of inspection.readings) {
    const score = lessened(reading.score, penalty);
    if (score < threshold) continue;
    const disguised = reading.view !== 'plain' && reading.view !== 'normalised';
    // A view that says no more than the plain text hid nothing.
    if (disguised && reading.score <= plain) continue;
    for (const { type, from, to } of reading.evidence)
      if (scope.wants(type)) findings.add(type, reading.view, score, offset + from, offset + to);
    const first = reading.evidence[0];
    if (first === undefined) continue;
    const obfuscation = `obfuscated_${reading.view}`;
    if (disguised && scope.wants(obfuscation) && !hiddenViews.some((view) => view === reading.view))
      findings.add(obfuscation, reading.view, score, offset + first.from, offset + first.to);
    for (const [bit, type] of foldTypes)
      if ((reading.how & bit) !== 0 && scope.wants(type))
        findings.add(type, reading.view, score, offset + first.from, offset + first.to);
  }
}

/** A score with `penalty` log-odds taken off. */
function lessened(score: number, penalty: number): number {
  return penalty === 0 ? score : 1 / (1 + ((1 - score) / score) * Math.exp(penalty));
}

function* measuring(
  passage: Passage,
  asked: readonly string[] | undefined,
  steps_max: number,
): Generator<void, Measured> {
  const { text } = passage;
  if (text.length > passage_units_max)
    return { outcome: 'unable', reason: `the passage is longer than ${passage_units_max} characters` };
  const scope = scopeOf(passage, asked);
  const findings = new Findings();
  // A long text has more chances to look odd: a little more evidence is asked for with each doubling.
  const penalty = text.length <= 16_384 ? 0 : 0.25 * Math.log2(text.length / 16_384);
  let steps = 0;
  for (const { from, to } of chunksOf(text)) {
    const whole = from === 0 && to === text.length;
    const inspection = yield* inspect(whole ? text : text.slice(from, to), scope.how, steps_max - steps);
    steps += inspection.steps;
    collect(inspection, scope, from, penalty, findings);
    if (inspection.exhausted || (to < text.length && steps > steps_max)) {
      // What was found is certain, whatever the rest says; without a finding the rest would have to be read.
      const sofar = findings.measured();
      if (sofar.outcome === 'findings') return sofar;
      return { outcome: 'unable', reason: 'reading the passage takes more work than is allowed' };
    }
    if (to < text.length) yield;
  }
  return findings.measured();
}

/**
 * The same measurement in slices of about a millisecond: each `next()` does one, the `return` value is the answer. For
 * passages so long that `measure` would hold the event loop, or is `unable`; `text.length > 65_536` is a good border.
 */
export function measureSlices(passage: Passage, asked?: readonly string[]): Generator<void, Measured> {
  return measuring(passage, asked, slices_steps_max);
}

/** Prompt injection and jailbreaks, by weighted rules over every reading of a text. Thresholds go by the passage's role. */
export const injectionRail: Rail = {
  name,
  types,
  prepare: prepareInspection,
  measureSlices,
  measure(passage, asked) {
    const slices = measuring(passage, asked, measure_steps_max);
    for (;;) {
      const step = slices.next();
      if (step.done === true) return step.value;
    }
  },
};

/**
 * The highest score over all readings of a text taken as the user's own words, 0 to 1, whatever the threshold: for tuning
 * and benchmarks.
 */
export function injectionScore(text: string, role: Passage['role'] = 'user'): number {
  const scope = scopeOf({ text, role, channel: 'content', path: [], message: 0 }, undefined);
  let best = 0;
  for (const { from, to } of chunksOf(text)) {
    const slices = inspect(text.slice(from, to), scope.how);
    let step = slices.next();
    while (step.done !== true) step = slices.next();
    for (const reading of step.value.readings) best = Math.max(best, reading.score);
  }
  return best;
}
