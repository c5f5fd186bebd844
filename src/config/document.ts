import { type Document, isAlias, isMap, isScalar, isSeq, LineCounter, type Node, parseAllDocuments } from 'yaml';
import type { Problem } from './problem.ts';

export type Path = readonly (string | number)[];

/** A text read as one YAML document, which remembers where each value stands. */
export interface Source {
  readonly file: string;
  readonly value: unknown;
  readonly problems: readonly Problem[];
  /** The problem at the value of `path`, or at its key; where it is not in the text, at the nearest ancestor that is. */
  problem(path: Path, message: string, at?: 'key' | 'value'): Problem;
}

/** Reads one YAML (or JSON) document. Duplicate keys and a second document are problems. */
export function readSource(file: string, text: string): Source {
  const lines = new LineCounter();
  const problems: Problem[] = [];
  const [document, second] = documents(text, lines, problems, file);
  const place = (offset: number) => {
    const { line, col } = lines.linePos(offset);
    return { line, column: col };
  };
  for (const error of [...(document?.errors ?? []), ...(document?.warnings ?? [])]) {
    problems.push({ file, ...place(error.pos[0]), message: error.message });
  }
  if (second !== undefined) problems.push({ file, ...place(second.range[0]), message: 'one document is expected' });
  return {
    file,
    value: problems.length > 0 || document === undefined ? undefined : plain(document, problems, file),
    problems,
    problem(path, message, at = 'value') {
      const key = path.join('.');
      const offset = document === undefined ? undefined : offsetOf(document, path, at);
      return { file, ...(offset === undefined ? {} : place(offset)), ...(key === '' ? {} : { key }), message };
    },
  };
}

/** The parser recurses: a text that nests without end runs out of stack here and nowhere else. */
function documents(text: string, lines: LineCounter, problems: Problem[], file: string): readonly Document.Parsed[] {
  try {
    const parsed = parseAllDocuments(text, { lineCounter: lines, prettyErrors: false, uniqueKeys: true });
    return 'empty' in parsed ? [] : parsed;
  } catch (error) {
    problems.push({ file, line: 1, column: 1, message: `cannot be parsed: ${String(error)}` });
    return [];
  }
}

function plain(document: Document.Parsed, problems: Problem[], file: string): unknown {
  try {
    return document.toJS({ maxAliasCount: 100 });
  } catch (error) {
    problems.push({ file, line: 1, column: 1, message: error instanceof Error ? error.message : String(error) });
    return undefined;
  }
}

function offsetOf(document: Document.Parsed, path: Path, at: 'key' | 'value'): number | undefined {
  let node: Node | null | undefined = document.contents;
  let offset = node?.range?.[0];
  for (const [depth, step] of path.entries()) {
    const next = child(document, node, step);
    if (next === undefined) return offset;
    const last = depth === path.length - 1;
    offset = (last && at === 'key' ? next.key : (next.value?.range?.[0] ?? next.key)) ?? offset;
    node = next.value;
  }
  return offset;
}

function child(
  document: Document.Parsed,
  parent: Node | null | undefined,
  step: string | number,
): { readonly key: number | undefined; readonly value: Node | null | undefined } | undefined {
  const node = isAlias(parent) ? parent.resolve(document) : parent;
  if (isSeq(node)) {
    const item = node.items[Number(step)] as Node | undefined;
    return item === undefined ? undefined : { key: item.range?.[0], value: item };
  }
  if (!isMap(node)) return undefined;
  const pair = node.items.find((item) => isScalar(item.key) && String(item.key.value) === String(step));
  if (pair === undefined) return undefined;
  return { key: (pair.key as Node).range?.[0], value: pair.value as Node | null };
}
