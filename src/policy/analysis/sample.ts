/**
 * A text that an expression of a common kind probably matches: literals, classes, groups, choices and counts.
 * Undefined where it is of another kind. It is a guess that the caller tries.
 */
export function sampleOf(source: string): string | undefined {
  const reader = { text: source.replace(/^\(\?[a-z]+\)/, ''), at: 0 };
  const sample = choiceOf(reader, 0);
  return sample === undefined || reader.at < reader.text.length ? undefined : sample;
}

interface Cursor {
  readonly text: string;
  at: number;
}

const depthMax = 20;

function choiceOf(reader: Cursor, depth: number): string | undefined {
  if (depth > depthMax) return undefined;
  let first: string | undefined;
  for (;;) {
    const sequence = sequenceOf(reader, depth);
    if (sequence === undefined) return undefined;
    first ??= sequence;
    if (reader.text[reader.at] !== '|') return first;
    reader.at++;
  }
}

function sequenceOf(reader: Cursor, depth: number): string | undefined {
  let out = '';
  while (reader.at < reader.text.length && !'|)'.includes(reader.text[reader.at] ?? '')) {
    const atom = atomText(reader, depth);
    if (atom === undefined) return undefined;
    out += atom.repeat(countAfter(reader));
  }
  return out;
}

function countAfter(reader: Cursor): number {
  const found = /^(?:([*?+])|\{(\d+)(?:,\d*)?\})\??/.exec(reader.text.slice(reader.at));
  if (found === null) return 1;
  reader.at += found[0].length;
  return found[2] === undefined ? (found[1] === '+' ? 1 : 0) : Math.min(Number(found[2]), 100);
}

const classes: Readonly<Record<string, string>> = {
  d: '0',
  w: 'a',
  s: ' ',
  D: 'a',
  W: ' ',
  S: 'a',
  t: '\t',
  n: '\n',
  b: '',
};

function atomText(reader: Cursor, depth: number): string | undefined {
  const { text } = reader;
  const c = text[reader.at++];
  if (c === '^' || c === '$') return '';
  if (c === '.') return 'a';
  if (c === '\\') {
    const name = text[reader.at++] ?? '';
    if (Object.hasOwn(classes, name)) return classes[name];
    return /[A-Za-z0-9]/.test(name) ? undefined : name;
  }
  if (c === '[') return classText(reader);
  if (c !== '(') return c;
  const opening = /^\?(?::|P?<\w+>|[a-z]+:)/.exec(text.slice(reader.at));
  if (opening !== null) reader.at += opening[0].length;
  else if (text[reader.at] === '?') return undefined;
  const inside = choiceOf(reader, depth + 1);
  if (text[reader.at++] !== ')') return undefined;
  return inside;
}

function classText(reader: Cursor): string | undefined {
  const { text } = reader;
  const end = /^\^?\]?(?:\\.|\[:\w+:\]|[^\]\\])*\]/s.exec(text.slice(reader.at))?.[0];
  if (end === undefined) return undefined;
  reader.at += end.length;
  const inside = end.slice(0, -1);
  if (inside.startsWith('^')) return ['a', '0', ' ', '-', '!'].find((one) => !inside.includes(one));
  const first = /^\\(.)/.exec(inside)?.[1];
  if (first === undefined) return inside[0] === '[' ? undefined : inside[0];
  return Object.hasOwn(classes, first) ? classes[first] : first;
}
