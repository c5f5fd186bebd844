import { existsSync, readFileSync } from 'node:fs';
import { dirname, relative, resolve } from 'node:path';
import {
  type Modules,
  type Policy,
  PolicyError,
  type PolicyTestOptions,
  type PolicyTestReport,
  type Program,
  parsePolicies,
  runPolicyTestsWith,
  type TellTest,
  withVerdicts,
} from '../../policy/index.ts';
import { CannotRun, type CommandContext } from './command.ts';
import { isTestFile, type PolicyText, problemsOf, readPolicyTexts } from './policy-files.ts';
import type { PolicyPlace, RunningModules } from './ports.ts';

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
export async function runTestFile(
  { path, file, text }: PolicyText,
  { cwd, ports }: Pick<CommandContext, 'cwd' | 'ports'>,
  observe?: PolicyTestOptions['observe'],
): Promise<RanFile> {
  const policies: string[] = [];
  const load = (reference: string): readonly Policy[] => {
    const policy = resolve(dirname(path), reference);
    policies.push(policy);
    return parsePolicies(policyText(policy, reference), { file: relative(cwd, policy) });
  };
  const started = performance.now();
  const modules = new TestedModules(ports, () => policies.map((place) => ({ path: relative(cwd, place), place })));
  const outcome = async (): Promise<Pick<RanFile, 'report' | 'problem'>> => {
    try {
      return { report: await runPolicyTestsWith(text, load, { file, observe, tell: modules.tell }) };
    } catch (error) {
      return { problem: new PolicyError(problemsOf(error)).message };
    }
  };
  const ran = await outcome();
  await modules.close();
  return { file, ...ran, policies, ms: performance.now() - started };
}

/** The modules of tested policies: opened where a test does not say itself what they say. */
class TestedModules {
  readonly #ports: CommandContext['ports'];
  readonly #places: () => readonly PolicyPlace[];
  readonly #opened = new Map<Program, Promise<RunningModules>>();

  constructor(ports: CommandContext['ports'], places: () => readonly PolicyPlace[]) {
    this.#ports = ports;
    this.#places = places;
  }

  readonly tell: TellTest = async (program, phase, facts) => {
    const run: Modules['run'] = async (call, input, asker) => (await this.#of(program)).run(call, input, asker);
    return (await withVerdicts(program, phase, facts, { modules: { run }, tenant: '', keep: true })).facts;
  };

  async close(): Promise<void> {
    for (const opened of this.#opened.values()) await (await opened).close();
  }

  #of(program: Program): Promise<RunningModules> {
    const opened = this.#opened.get(program) ?? this.#open(program);
    this.#opened.set(program, opened);
    return opened;
  }

  async #open(program: Program): Promise<RunningModules> {
    try {
      return (await this.#ports.openModules(program, this.#places())) ?? unread('there is no module');
    } catch (error) {
      return unread(
        problemsOf(error)
          .map(({ message }) => message)
          .join('; '),
      );
    }
  }
}

function unread(unable: string): RunningModules {
  return { run: () => ({ unable }), close: async () => undefined };
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
