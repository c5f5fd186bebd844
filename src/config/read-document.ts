import { createHmac, randomBytes } from 'node:crypto';
import { resolve } from 'node:path';
import { Secret } from '../exchange/index.ts';
import { readSource, type Source } from './document.ts';
import { type Override, settle } from './expand.ts';
import { type Reading, readText, reasonOf, shownPath } from './files.ts';
import type { Problem } from './problem.ts';
import { seal } from './seal.ts';
import type { Finding } from './validate.ts';

export interface LoadOptions {
  /** The configuration file, relative to `cwd`. */
  readonly file: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Where paths that are written to (data, audit) start. Default: the process's working directory. */
  readonly cwd?: string;
  /** Where providers, policies and `${file:...}` are found. Default: `cwd`. */
  readonly base?: string;
}

/** What came of loading settings. */
export interface Loaded<S> {
  /** Frozen all through; undefined when there is any problem. */
  readonly settings: S | undefined;
  /** Every problem found, in the order of the file. */
  readonly problems: readonly Problem[];
  /** Every file and directory that was read or looked for. */
  readonly watched: readonly string[];
  /** Tells one outcome from another: the same settings (or the same problems) have the same. Means nothing to other processes. */
  readonly fingerprint: string;
}

export interface Outcome<S> {
  readonly settings?: S;
  readonly problems: readonly Problem[];
}

/** Loads settings of any kind by how they are read. Never rejects for what is in files: see `problems`. */
export async function loadSettings<S>(
  options: LoadOptions,
  read: (path: string, reading: Reading) => Promise<Outcome<S>>,
): Promise<Loaded<S>> {
  const cwd = resolve(options.cwd ?? process.cwd());
  const reading: Reading = { env: options.env, cwd, base: resolve(cwd, options.base ?? '.'), watched: new Set() };
  const outcome = await read(resolve(cwd, options.file), reading);
  return {
    settings: outcome.problems.length === 0 ? outcome.settings : undefined,
    problems: outcome.problems,
    watched: [...reading.watched].sort(),
    fingerprint: fingerprint(outcome),
  };
}

/** A document that keeps to its schema, sealed, and where its values stand. */
export interface ReadDocument<T> {
  readonly document: T;
  readonly source: Source;
  /** Findings as problems, in the order of the file. */
  placed(findings: readonly Finding[]): readonly Problem[];
}

/** Reads one document with its references, what the environment puts over it, and every default. */
export async function readDocument<T>(
  path: string,
  reading: Reading,
  schema: object,
  overrides: readonly Override[],
): Promise<ReadDocument<T> | { readonly problems: readonly Problem[] }> {
  const shown = shownPath(path, reading.cwd);
  reading.watched.add(path);
  let text: string;
  try {
    text = await readText(path, reading);
  } catch (error) {
    return { problems: [{ file: shown, message: reasonOf(error) }] };
  }
  const source = readSource(shown, text);
  if (source.problems.length > 0) return { problems: source.problems };
  const references = { env: reading.env, base: reading.base, onFile: (file: string) => reading.watched.add(file) };
  const { value, findings } = settle(source.value, schema, references, overrides);
  const placed = (list: readonly Finding[]) => inOrder(list.map((finding) => place(finding, source, overrides)));
  if (findings.length > 0) return { problems: placed(findings) };
  return { document: seal<T>(value, schema), source, placed };
}

/** A finding at a value that came from the environment is the environment's. */
function place(finding: Finding, source: Source, overrides: readonly Override[]): Problem {
  const key = finding.path.join('.');
  const from = overrides.find(({ path }) => key === path.join('.'));
  if (from === undefined) return source.problem(finding.path, finding.message, finding.at);
  return { file: 'environment', key, message: `${from.name}: ${finding.message}` };
}

function inOrder(problems: readonly Problem[]): readonly Problem[] {
  return [...problems].sort((a, b) => (a.line ?? 0) - (b.line ?? 0) || (a.column ?? 0) - (b.column ?? 0));
}

const fingerprintKey = randomBytes(32);

/** Over the outcome, secrets included (a rotated secret is a change), under a key that lives with the process. */
function fingerprint(outcome: Outcome<unknown>): string {
  const text = JSON.stringify(outcome, function (this: Record<string, unknown>, key, value: unknown) {
    const original = this[key];
    return original instanceof Secret ? original.reveal() : value;
  });
  return createHmac('sha256', fingerprintKey).update(text).digest('base64url');
}
