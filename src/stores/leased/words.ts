import { joined, labelsOf, labelText } from '../labels.ts';
import type { Labels } from '../ledger.ts';

const words = new WeakMap<Labels, string>();

/** Labels as one word, written once for those that cannot change. */
export function wordOf(labels: Labels | undefined): string {
  if (labels === undefined) return '';
  let word = words.get(labels);
  if (word === undefined) {
    word = labelText(labels);
    if (Object.isFrozen(labels)) words.set(labels, word);
  }
  return word;
}

/** The word of a hold's labels and its settlement's, which win. */
export function joinedWord(held: string, settled: Labels | undefined): string {
  if (settled === undefined) return held;
  const word = wordOf(settled);
  return word === held ? held : labelText(joined(labelsOf(held), settled));
}
