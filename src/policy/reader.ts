import type { Json } from './policy.ts';
import { nearest, type PolicyProblem } from './problem.ts';
import type { Path, SourceDocument } from './source.ts';

export type JsonObject = { readonly [key: string]: Json };

export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Problems told of one document: who has a hundred thousand has one. */
const problems_max = 200;

/** Reads one document strictly and collects its problems with their places. */
export class Reader {
  readonly problems: PolicyProblem[];
  readonly file: string;
  readonly document: SourceDocument | undefined;

  constructor(file: string, document?: SourceDocument, problems: PolicyProblem[] = []) {
    this.problems = problems;
    this.file = file;
    this.document = document;
  }

  /** The same reader, for a document whose parts stand elsewhere; problems are told together. */
  placed(as: (document: SourceDocument) => SourceDocument): Reader {
    if (this.document === undefined) return this;
    return new Reader(this.file, as(this.document), this.problems);
  }

  /** `within` is the character of a text's value that is wrong, from 0. */
  fault(path: Path, message: string, suggestion?: string, of: 'key' | 'value' = 'value', within?: number): void {
    if (this.problems.length >= problems_max) return;
    const place = this.document?.place(path, of, within) ?? { line: 0, column: 0 };
    this.problems.push({ file: this.file, ...place, message, ...(suggestion === undefined ? {} : { suggestion }) });
  }

  /** The mapping at `path` with no key outside `known`; `later` are names of the language that cannot be enforced yet. */
  object(value: Json | undefined, path: Path, known: readonly string[], later: readonly string[] = []): JsonObject {
    if (!isObject(value)) {
      this.fault(path, `${nameOf(path)} must be a mapping`);
      return {};
    }
    for (const key of Object.keys(value)) {
      if (known.includes(key)) continue;
      if (this.problems.length >= problems_max) break;
      if (later.includes(key)) this.fault([...path, key], `${key} is not supported yet`, undefined, 'key');
      else this.fault([...path, key], `unknown key ${clip(key)} in ${nameOf(path)}`, nearest(key, known), 'key');
    }
    return value;
  }

  text(
    value: Json | undefined,
    path: Path,
    options: { readonly max?: number; readonly like?: RegExp; readonly what?: string } = {},
  ) {
    if (value === undefined) return undefined;
    const { max = 2_000, like, what } = options;
    if (
      typeof value !== 'string' ||
      value.length === 0 ||
      value.length > max ||
      (like !== undefined && !like.test(value))
    ) {
      this.fault(path, `${nameOf(path)} must be ${what ?? `a text of 1 to ${max} characters`}`);
      return undefined;
    }
    return value;
  }

  oneOf<T extends string>(
    value: Json | undefined,
    path: Path,
    choices: readonly T[],
    later: readonly string[] = [],
  ): T | undefined {
    if (value === undefined) return undefined;
    const found = choices.find((choice) => choice === value);
    if (found !== undefined) return found;
    if (typeof value === 'string' && later.includes(value)) {
      this.fault(path, `${nameOf(path)}: ${value} is not supported yet`);
    } else {
      const near = typeof value === 'string' ? nearest(value, choices) : undefined;
      this.fault(path, `${nameOf(path)} must be one of ${choices.join(', ')}`, near);
    }
    return undefined;
  }

  flag(value: Json | undefined, path: Path): boolean | undefined {
    if (value === undefined || typeof value === 'boolean') return value;
    this.fault(path, `${nameOf(path)} must be true or false`);
    return undefined;
  }

  integer(value: Json | undefined, path: Path, min: number, max: number): number | undefined {
    if (value === undefined) return undefined;
    if (typeof value === 'number' && Number.isSafeInteger(value) && value >= min && value <= max) return value;
    this.fault(path, `${nameOf(path)} must be a whole number from ${min} to ${max}`);
    return undefined;
  }

  /** A list of distinct texts, at least one. */
  texts(value: Json | undefined, path: Path, max = 1_000): readonly string[] | undefined {
    if (value === undefined) return undefined;
    if (!Array.isArray(value) || value.length === 0 || value.length > max) {
      this.fault(path, `${nameOf(path)} must be a list of 1 to ${max} texts`);
      return undefined;
    }
    const texts = value.flatMap((item: Json, i) => this.text(item, [...path, i]) ?? []);
    return [...new Set(texts)];
  }
}

export function clip(text: string): string {
  return text.length > 80 ? `${text.slice(0, 80)}...` : text;
}

function nameOf(path: Path): string {
  const last = path.at(-1);
  if (last === undefined) return 'a policy';
  return typeof last === 'string' ? clip(last) : `${nameOf(path.slice(0, -1))}[${last}]`;
}

/** An object without its undefined members: optional keys are absent, not empty. */
export function defined<T extends object>(object: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  const kept: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(object)) if (value !== undefined) kept[key] = value;
  return kept as { [K in keyof T]: Exclude<T[K], undefined> };
}

/** Freezes a plain value and everything in it. */
export function deepFreeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value);
    for (const member of Object.values(value)) deepFreeze(member);
  }
  return value;
}
