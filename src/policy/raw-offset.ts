const escaped = /\\(?:x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|\r?\n[ \t]*|[\s\S])/y;

/**
 * Where a character of a YAML text stands in what was written: `raw` is the scalar with its quotes or its block header,
 * `value` what it means. Line breaks, indentation and escapes are walked over.
 */
export function rawOffset(raw: string, value: string, character: number): number {
  const quote = raw[0] === '"' || raw[0] === "'" ? raw[0] : undefined;
  const block = raw[0] === '|' || raw[0] === '>';
  let at = quote === undefined ? 0 : 1;
  if (block) at = Math.max(0, raw.indexOf('\n') + 1);
  for (let i = 0; i <= character && i < value.length; i++) {
    at = matching(raw, at, value[i] ?? '', quote, block);
    if (i < character) at += width(raw, at, quote);
  }
  return Math.min(at, Math.max(0, raw.length - 1));
}

// The place at or after `at` that stands for a character: white space before it is the document's own.
function matching(raw: string, at: number, character: string, quote: string | undefined, block: boolean): number {
  const blank = /\s/.test(character);
  let next = at;
  while (
    next < raw.length &&
    /\s/.test(raw[next] ?? '') &&
    !(blank && (raw[next] === character || (!block && raw[next] === '\n')))
  ) {
    if (blank && raw[next] === '\n') break;
    next++;
  }
  if (quote === '"' && raw[next] === '\\' && raw[next + 1] === '\n')
    return matching(raw, next + 2, character, quote, block);
  return next;
}

// How many characters one character of the value takes.
function width(raw: string, at: number, quote: string | undefined): number {
  if (quote === "'" && raw[at] === "'") return 2;
  if (quote === '"' && raw[at] === '\\') {
    escaped.lastIndex = at;
    return escaped.exec(raw)?.[0].length ?? 1;
  }
  return 1;
}
