import type { Labels } from './ledger.ts';

const plain = /^[A-Za-z0-9._~@+/,:-]*$/;

/** Of labels that cannot change: all calls of a caller share them. */
const texts = new WeakMap<Labels, string>();

/** Labels as one word, `team=research&user=jane`; empty for none. */
export function labelText(labels: Labels | undefined): string {
  if (labels === undefined) return '';
  let text = texts.get(labels);
  if (text === undefined) {
    text = spelled(labels);
    if (Object.isFrozen(labels)) texts.set(labels, text);
  }
  return text;
}

function spelled(labels: Labels): string {
  let text = '';
  for (const name in labels) {
    const part = beginningOf(name) + escaped(labels[name] ?? '');
    text = text === '' ? part.slice(1) : text + part;
  }
  return text;
}

/** Names are few and come again and again. */
const beginnings = new Map<string, string>();
const beginnings_max = 200;

/** `&team=` */
function beginningOf(name: string): string {
  let text = beginnings.get(name);
  if (text === undefined) {
    text = `&${escaped(name)}=`;
    if (beginnings.size < beginnings_max) beginnings.set(name, text);
  }
  return text;
}

/** What `labelText` wrote; undefined for nothing. */
export function labelsOf(text: string | undefined): Labels | undefined {
  if (text === undefined || text === '' || text === '-') return undefined;
  return Object.fromEntries(
    text.split('&').map((pair) => {
      const [name = '', value = ''] = pair.split('=');
      return [decodeURIComponent(name), decodeURIComponent(value)];
    }),
  );
}

/** Those of a hold and those of its settlement, which win. */
export function joined(of: Labels | undefined, over: Labels | undefined): Labels | undefined {
  if (over === undefined || over === of) return of;
  return of === undefined ? over : { ...of, ...over };
}

/** The text of a hold's labels (as `labelText` has it) and its settlement's, which win. */
export function joinedText(held: string, settled: Labels | undefined): string {
  if (settled === undefined) return held;
  const text = labelText(settled);
  return text === held ? held : labelText(joined(labelsOf(held), settled));
}

function escaped(text: string): string {
  return plain.test(text) ? text : encodeURIComponent(Buffer.from(text, 'utf8').toString('utf8'));
}
