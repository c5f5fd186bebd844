import { Composer, type CST, isAlias, isMap, isScalar, isSeq, LineCounter, type Node, type ParsedNode } from 'yaml';
import { type PlainDocument, readPlainYaml } from './plain-yaml.ts';
import type { Json } from './policy.ts';
import { type PolicyProblem, wholeProblem } from './problem.ts';
import { rawOffset } from './raw-offset.ts';
import { yamlTooDeep } from './yaml-depth.ts';
import { TooMuch, yamlTokens } from './yaml-tokens.ts';

/** Keys and indices from a document's root. */
export type Path = readonly (string | number)[];

/** A document as plain JSON, and where its parts stand in the text. */
export interface SourceDocument {
  readonly value: Json;
  /**
   * Line and column of a value, or of the key that names it; `within` is a character of a text's value, from 0. `file` is
   * told where it is another one than the document's.
   */
  place(
    path: Path,
    of: 'key' | 'value',
    within?: number,
  ): { readonly line: number; readonly column: number; readonly file?: string };
}

/** Bounds of a policy file. A file over one of them is refused as a whole. */
export const sourceLimits = {
  characters: 8 * 1024 * 1024,
  depth: 64,
  documents: 20_000,
  /** Words and signs of a file that is not written plainly; a plain one has only its length. */
  tokens: 500_000,
  /** Values after aliases were expanded. */
  values: 2_000_000,
  aliases: 100,
  /** Of syntax, told for a document: one slip brings many. */
  faults: 20,
} as const;

interface Documents {
  readonly documents: readonly SourceDocument[];
  readonly problems: readonly PolicyProblem[];
}

class Refused extends Error {
  readonly node: Node | undefined;

  constructor(message: string, node?: Node) {
    super(message);
    this.node = node;
  }
}

/** Reads YAML or JSON, one document or several. Problems of syntax are reported; the documents are then left out. */
export function readDocuments(text: string, file: string): Documents {
  if (text.length > sourceLimits.characters) {
    return only(wholeProblem(file, `the file is longer than ${sourceLimits.characters} characters`));
  }
  const plainly = readPlainYaml(text, { ...sourceLimits, depth: sourceLimits.depth / 2 });
  return plainly === undefined ? compose(text, file) : { documents: placedLater(plainly, text, file), problems: [] };
}

/** Documents read plainly: places are looked for when the first of them is asked for, which is when something is wrong. */
function placedLater(plainly: readonly PlainDocument[], text: string, file: string): readonly SourceDocument[] {
  let composed: readonly SourceDocument[] | undefined;
  return plainly.map(({ value, line, column }, at) => ({
    value,
    place(path, of, within) {
      if (path.length === 0 && within === undefined) return { line, column };
      composed ??= compose(text, file).documents;
      return composed[at]?.place(path, of, within) ?? { line, column };
    },
  }));
}

/** All of the language, with the place of everything. */
export function compose(text: string, file: string): Documents {
  const lines = new LineCounter();
  const at = (offset: number) => {
    const { line, col } = lines.linePos(offset);
    return { line, column: col };
  };
  const problems: PolicyProblem[] = [];
  const documents: SourceDocument[] = [];
  let tokens: CST.Token[];
  try {
    tokens = yamlTokens(text, lines.addNewLine, sourceLimits);
  } catch (thrown) {
    if (!(thrown instanceof TooMuch)) throw thrown;
    return only({ file, ...at(thrown.offset), message: thrown.message });
  }
  const deep = yamlTooDeep(tokens, sourceLimits.depth);
  if (deep !== undefined)
    return only({ file, ...at(deep), message: `nested deeper than ${sourceLimits.depth} levels` });
  // Duplicate keys are looked for below: the library's own search is quadratic in the size of a mapping.
  const parsed = [...new Composer({ uniqueKeys: false }).compose(tokens)];
  if (parsed.length > sourceLimits.documents) {
    return only(wholeProblem(file, `more than ${sourceLimits.documents} documents in a file`));
  }
  for (const document of parsed) {
    const faults = [...document.errors, ...document.warnings].slice(0, sourceLimits.faults);
    for (const fault of faults) problems.push({ file, ...at(fault.pos[0]), message: fault.message });
    if (faults.length > 0 || document.contents === null) continue;
    const root = document.contents as ParsedNode;
    const budget = { values: 0, aliases: 0 };
    const follow = (node: Node): Node => {
      if (!isAlias(node)) return node;
      budget.aliases++;
      if (budget.aliases > sourceLimits.aliases) throw new Refused('too many aliases', node);
      const target = node.resolve(document);
      if (target === undefined) throw new Refused(`unknown alias *${node.source}`, node);
      return target;
    };
    try {
      const value = plain(root, 0, budget, follow);
      if (value !== null)
        documents.push({
          value,
          place: (path, of, within) => at(characterAt(text, root, path, of, document, within)),
        });
    } catch (thrown) {
      if (!(thrown instanceof Refused)) throw thrown;
      const range = thrown.node?.range;
      const place = range === null || range === undefined ? { line: 1, column: 1 } : at(range[0]);
      problems.push({ file, ...place, message: thrown.message });
    }
  }
  return { documents, problems };
}

function only(problem: PolicyProblem) {
  return { documents: [], problems: [problem] };
}

function plain(node: Node | null, depth: number, budget: { values: number }, follow: (node: Node) => Node): Json {
  if (node === null) return null;
  if (depth > sourceLimits.depth) throw new Refused(`nested deeper than ${sourceLimits.depth} levels`, node);
  if (++budget.values > sourceLimits.values) throw new Refused('too many values (aliases count each time)', node);
  const target = follow(node);
  if (isScalar(target)) return scalar(target.value, target);
  if (isSeq(target)) return target.items.map((item) => plain(item as Node | null, depth + 1, budget, follow));
  if (!isMap(target)) throw new Refused('a value of an unknown kind', node);
  const object: Record<string, Json> = {};
  for (const pair of target.items) {
    const key = isScalar(pair.key) ? pair.key.value : undefined;
    if (typeof key !== 'string') throw new Refused('a key must be a text', (pair.key as Node | null) ?? target);
    if (key === '__proto__') throw new Refused('a key may not be __proto__', pair.key as Node);
    if (Object.hasOwn(object, key)) throw new Refused(`the key ${key} stands here twice`, pair.key as Node);
    object[key] = plain(pair.value as Node | null, depth + 1, budget, follow);
  }
  return object;
}

function scalar(value: unknown, node: Node): Json {
  if (value === null || typeof value === 'string' || typeof value === 'boolean') return value;
  if (typeof value === 'number' && Number.isFinite(value)) return value;
  throw new Refused('a number must be finite and a value a text, a number or a boolean', node);
}

type Resolver = Parameters<import('yaml').Alias['resolve']>[0];

function characterAt(
  text: string,
  root: Node,
  path: Path,
  of: 'key' | 'value',
  document: Resolver,
  within: number | undefined,
): number {
  const { offset, node } = found(root, path, of, document);
  const range = within !== undefined && isScalar(node) && typeof node.value === 'string' ? node.range : undefined;
  if (within === undefined || range === undefined || range === null || !isScalar(node)) return offset;
  return offset + rawOffset(text.slice(range[0], range[1]), String(node.value), within);
}

function found(root: Node, path: Path, of: 'key' | 'value', document: Resolver): { offset: number; node: Node | null } {
  let node: Node | null | undefined = root;
  let offset = root.range?.[0] ?? 0;
  for (const [depth, step] of path.entries()) {
    if (isAlias(node)) node = node.resolve(document);
    if (isMap(node)) {
      const pair = node.items.find((item) => isScalar(item.key) && item.key.value === String(step));
      if (pair === undefined) return { offset, node: null };
      const key = pair.key as Node;
      const value = pair.value as Node | null;
      const wanted = of === 'key' && depth === path.length - 1 ? key : (value ?? key);
      offset = wanted.range?.[0] ?? offset;
      node = of === 'key' && depth === path.length - 1 ? key : value;
    } else if (isSeq(node) && typeof step === 'number') {
      node = node.items[step] as Node | undefined;
      offset = node?.range?.[0] ?? offset;
    } else return { offset, node: null };
  }
  return { offset, node: node ?? null };
}
