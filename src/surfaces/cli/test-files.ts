import { existsSync, readFileSync } from 'node:fs';
import { dirname, relative, resolve } from 'node:path';
import {
  type Policy,
  PolicyError,
  type PolicyTestOptions,
  type PolicyTestReport,
  parsePolicies,
  runPolicyTests,
} from '../../policy/index.ts';
import { CannotRun } from './command.ts';
import { isTestFile, type PolicyText, problemsOf, readPolicyTexts } from './policy-files.ts';

/** What became of a test file. */
export interface RanFile {
  readonly file: string;
  readonly report?: PolicyTestReport;
  /** Why the file could not be run. */
  readonly problem?: string;
  /** The policy files it loaded. */
  readonly policies: readonly string[];
  readonly ms: number;
}

/** Runs a file of policy tests. Policies are found beside it. */
export function runTestFile(
  { path, file, text }: PolicyText,
  cwd: string,
  observe?: PolicyTestOptions['observe'],
): RanFile {
  const policies: string[] = [];
  const load = (reference: string): readonly Policy[] => {
    const policy = resolve(dirname(path), reference);
    policies.push(policy);
    return parsePolicies(policyText(policy, reference), { file: relative(cwd, policy) });
  };
  const started = performance.now();
  const outcome = (): Pick<RanFile, 'report' | 'problem'> => {
    try {
      return { report: runPolicyTests(text, load, { file, observe }) };
    } catch (error) {
      return { problem: new PolicyError(problemsOf(error)).message };
    }
  };
  return { file, ...outcome(), policies, ms: performance.now() - started };
}

function policyText(path: string, reference: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    throw new CannotRun(`the policy ${reference} of a test cannot be read`);
  }
}

/** The test files that policies name, and those below the named directories; each once. */
export async function testFilesOf(
  names: readonly string[],
  policies: readonly Policy[],
  cwd: string,
): Promise<readonly PolicyText[]> {
  const named = policies.flatMap(({ tests, source }) =>
    (typeof tests === 'string' ? [tests] : (tests ?? [])).map((one) => resolve(cwd, dirname(source?.file ?? ''), one)),
  );
  const found = new Map<string, PolicyText>();
  for (const path of named.filter(existsSync)) {
    for (const text of await readPolicyTexts([relative(cwd, path)], cwd)) found.set(text.path, text);
  }
  for (const name of names) {
    const below = await readPolicyTexts([name], cwd, isTestFile).catch(() => []);
    for (const text of below) if (isTestFile(text.path)) found.set(text.path, text);
  }
  return [...found.values()];
}
