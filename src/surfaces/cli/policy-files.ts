import { readdir, readFile, stat } from 'node:fs/promises';
import { join, relative, resolve } from 'node:path';
import { type Policy, PolicyError, type PolicyProblem, parsePolicies } from '../../policy/index.ts';
import { CannotRun, type CommandContext, exit } from './command.ts';
import type { PolicyPlace } from './ports.ts';

export interface PolicyText {
  /** As people see it. */
  readonly file: string;
  readonly path: string;
  readonly text: string;
}

/** Where the files of policies lie, for the modules beside them. */
export function placesOf(texts: readonly Pick<PolicyText, 'file' | 'path'>[]): readonly PolicyPlace[] {
  return texts.map(({ file, path }) => ({ path: file, place: path }));
}

export const isTestFile = (name: string): boolean => /\.policytest\.(ya?ml|json)$/.test(name);
const isPolicyFile = (name: string): boolean => /\.(ya?ml|json)$/.test(name) && !isTestFile(name);

/** The files behind the given names; of a directory those below it that `wanted` takes. Rejects with `CannotRun`. */
export async function readPolicyTexts(
  names: readonly string[],
  cwd: string,
  wanted: (name: string) => boolean = isPolicyFile,
): Promise<readonly PolicyText[]> {
  const texts: PolicyText[] = [];
  for (const name of names) {
    for (const path of await pathsOf(resolve(cwd, name), name, wanted)) {
      texts.push({ file: relative(cwd, path) || path, path, text: await readFile(path, 'utf8') });
    }
  }
  return texts;
}

async function pathsOf(path: string, name: string, wanted: (name: string) => boolean): Promise<readonly string[]> {
  const entry = await stat(path).catch((error: NodeJS.ErrnoException) => {
    throw new CannotRun(error.code === 'ENOENT' ? `${name} does not exist` : `${name} cannot be read (${error.code})`);
  });
  if (!entry.isDirectory()) return [path];
  const below = await readdir(path, { recursive: true });
  const found = below.filter((file) => wanted(file) && !/(^|[\\/])\./.test(file)).sort();
  if (found.length === 0) {
    const kind = wanted === isTestFile ? 'tests (*.policytest.yaml)' : 'policies (*.yaml, *.json)';
    throw new CannotRun(`${name} holds no ${kind}`);
  }
  return found.map((file) => join(path, file));
}

/** Parses texts; problems of all of them are collected. */
export function parseTexts(texts: readonly PolicyText[]): {
  readonly policies: readonly Policy[];
  readonly problems: readonly PolicyProblem[];
} {
  const policies: Policy[] = [];
  const problems: PolicyProblem[] = [];
  for (const { file, text } of texts) {
    try {
      policies.push(...parsePolicies(text, { file }));
    } catch (error) {
      problems.push(...problemsOf(error));
    }
  }
  return { policies, problems };
}

/** What a `PolicyError` holds; anything else is thrown on. */
export function problemsOf(error: unknown): readonly PolicyProblem[] {
  if (error instanceof PolicyError) return error.problems;
  throw error;
}

/** Tells problems of policies, as lines or as JSON. The exit code says that something was found. */
export function tellProblems({ out, json }: CommandContext, problems: readonly PolicyProblem[]): number {
  if (json) out.json({ ok: false, problems });
  else out.print(new PolicyError(problems).message);
  return exit.found;
}
