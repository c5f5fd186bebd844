import { Composer, type Document, isAlias, isMap, isScalar, isSeq, LineCounter, type Node, Parser, visit } from 'yaml';
import { yamlTooDeep } from '../policy/index.ts';
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

/** Deeper than any configuration, far from where the composer runs out of stack. */
const depth_max = 64;

function documents(text: string, lines: LineCounter, problems: Problem[], file: string): readonly Document.Parsed[] {
  const tokens = [...new Parser(lines.addNewLine).parse(text)];
  const deep = yamlTooDeep(tokens, depth_max);
  if (deep !== undefined) {
    const { line, col } = lines.linePos(deep);
    problems.push({ file, line, column: col, message: `nested deeper than ${depth_max} levels` });
    return [];
  }
  return [...new Composer({ uniqueKeys: true }).compose(tokens)];
}

function plain(document: Document.Parsed, problems: Problem[], file: string): unknown {
  const refuse = (message: string): undefined => {
    problems.push({ file, line: 1, column: 1, message });
  };
  // Each alias costs a search through the document.
  if (aliasesIn(document) > aliases_max) return refuse(`more than ${aliases_max} aliases`);
  try {
    const value: unknown = document.toJS({ maxAliasCount: aliases_max });
    // Aliases may lead deeper than the text itself, or round in a circle.
    return fitsDepth(value, depth_max) ? value : refuse(`nested deeper than ${depth_max} levels through its aliases`);
  } catch (error) {
    return refuse(error instanceof Error ? error.message : String(error));
  }
}

const aliases_max = 100;

function aliasesIn(document: Document.Parsed): number {
  let count = 0;
  visit(document, {
    Alias: () => {
      count += 1;
    },
  });
  return count;
}

function fitsDepth(value: unknown, depth: number): boolean {
  if (typeof value !== 'object' || value === null) return true;
  return depth > 0 && Object.values(value).every((item) => fitsDepth(item, depth - 1));
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
