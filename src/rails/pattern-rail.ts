import type { Finding, Measured, Passage, Rail } from '../exchange/index.ts';
import { type Anchors, anchorsOfRails } from './anchors.ts';
import { detectorDefinition } from './compile.ts';
import { type Detector, detectorsOf } from './detectors/index.ts';
import { Cursor, type MatchListener } from './matcher/cursor.ts';
import { JsonLane } from './matcher/json-lane.ts';
import { Machine } from './matcher/machine.ts';
import type { Definition } from './matcher/nfa.ts';
import { plainText } from './matcher/plain-lane.ts';
import { UnitReader } from './matcher/unit-reader.ts';

/** Machines kept for different selections of types; policies name few. */
const machinesMax = 32;
/** More findings than this in one passage are not told apart from a flood: the rail is then `unable`. */
const findingsMax = 50_000;

interface Found {
  start: number;
  end: number;
  readonly rank: number;
}

const clear: Measured = Object.freeze({ outcome: 'clear' });

/** A rail made of detectors: the same patterns that follow streams, over whole passages. */
export function patternRail(name: keyof typeof anchorsOfRails): Rail {
  const anchors = anchorsOfRails[name];
  const detectors = detectorsOf(name);
  const types = [...new Set(detectors.map((detector) => detector.type))];
  const machines = new Map<string, Machine>();

  const machineFor = (wanted: readonly string[] | undefined): Machine => {
    const key = wanted === undefined ? '*' : [...new Set(wanted)].sort().join();
    let machine = machines.get(key);
    if (machine === undefined) {
      if (machines.size >= machinesMax) machines.clear();
      const chosen = detectors.filter((detector) => wanted === undefined || wanted.includes(detector.type));
      machine = new Machine(chosen.map((detector) => detectorDefinition(detector, name, [])));
      machines.set(key, machine);
    }
    return machine;
  };

  return {
    name,
    types,
    measure(passage: Passage, wanted?: readonly string[]): Measured {
      // Most texts hold nothing that a match could begin with.
      if (passage.channel !== 'tool_arguments' && !anchors.any(passage.text)) return clear;
      const found = new Map<string, Found[]>();
      let count = 0;
      const listener: MatchListener = (start, end, definition) => {
        count += 1;
        if (count <= findingsMax) note(found, start, end, definition, detectors);
      };
      if (passage.channel === 'tool_arguments') {
        const lane = new JsonLane(machineFor(wanted), listener);
        lane.feed(passage.text);
        lane.finish();
      } else scan(passage.text, machineFor(wanted), anchors, listener);
      if (count > findingsMax) return { outcome: 'unable', reason: `more than ${findingsMax} findings in one passage` };
      const findings = settle(found, name, detectors);
      return findings.length === 0 ? clear : { outcome: 'findings', findings };
    },
  };
}

/** Reads the stretches of a text that could hold something, each on until nothing is live. */
export function scan(text: string, machine: Machine, anchors: Anchors, listener: MatchListener): void {
  let stretch = anchors.next(text, 0);
  if (stretch === undefined) return;
  const cursor = new Cursor(machine, plainText, listener);
  const reader = new UnitReader(cursor);
  let at = stretch.from;
  while (stretch !== undefined) {
    if (stretch.from > at) {
      // Nothing that matters begins at this edge: the anchor is too far.
      reader.flush();
      cursor.begin();
      at = stretch.from;
    }
    reader.read(text, at, stretch.to, at);
    at = stretch.to;
    while (at < text.length && !(anchors.inEveryMatch ? cursor.unbegun : cursor.idle)) {
      const to = Math.min(at + 16, text.length);
      reader.read(text, at, to, at);
      at = to;
    }
    stretch = anchors.next(text, at);
  }
  if (at === text.length) reader.flush();
  cursor.finish(at);
  cursor.release();
}

/** Matches of one type that overlap are one finding. */
function note(
  found: Map<string, Found[]>,
  start: number,
  end: number,
  definition: Definition,
  detectors: readonly Detector[],
): void {
  let list = found.get(definition.type);
  if (list === undefined) {
    list = [];
    found.set(definition.type, list);
  }
  let first = start;
  let last = end;
  let top = list.at(-1);
  while (top !== undefined && top.end > first && top.start < last) {
    first = Math.min(first, top.start);
    last = Math.max(last, top.end);
    list.pop();
    top = list.at(-1);
  }
  list.push({ start: first, end: last, rank: detectors.findIndex((detector) => detector.type === definition.type) });
}

/** The findings in order; what overlaps one of a type that stands before its own in the rail's list is left out. */
function settle(found: ReadonlyMap<string, readonly Found[]>, rail: string, detectors: readonly Detector[]): Finding[] {
  let kept: Finding[] = [];
  const byRank = [...found].sort(([, a], [, b]) => (a[0]?.rank ?? 0) - (b[0]?.rank ?? 0));
  for (const [type, list] of byRank) {
    const more: Finding[] = [];
    let near = 0;
    for (const { start, end, rank } of list) {
      while (near < kept.length && (kept[near]?.end ?? 0) <= start) near += 1;
      if ((kept[near]?.start ?? end) < end) continue;
      more.push({ rail, type, start, end, score: detectors[rank]?.score ?? 1, view: 'plain' });
    }
    kept = [...kept, ...more].sort((a, b) => a.start - b.start);
  }
  return kept;
}
