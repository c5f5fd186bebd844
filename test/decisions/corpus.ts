import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { parse, stringify } from 'yaml';
import { PolicyEngine, PolicyParser } from '../../src/index.ts';
import { type FactTree, type Phase, type RunWasm, Unable } from '../../src/policy/index.ts';
import { readModule, trustedRunner } from '../../src/rails/index.ts';
import { assembled, template } from '../support/assemblyscript.ts';

/** One case: facts in, what the decision must say out. `{ unable: why }` stands for a fact that could not be computed. */
export interface Case {
  readonly name: string;
  readonly on?: Phase;
  readonly facts: Record<string, unknown>;
  readonly expect: Record<string, unknown>;
}

/** A request of the corpus as a surface is asked it, and what it must answer to the byte, ids and timings aside. */
export interface CorpusRequest {
  readonly name: string;
  /** Facts as JSON can say them. */
  readonly context: Record<string, unknown>;
  expected(): Promise<string>;
}

export interface Corpus {
  readonly name: string;
  readonly file: string;
  readonly default: 'allow' | 'deny';
  /** The policies, as one text of several documents. */
  readonly text: string;
  readonly cases: readonly Case[];
  readonly requests: readonly CorpusRequest[];
  /** Bytes of the modules its rules name, by their paths beside the policies; compiled when they are first asked for. */
  modules(): Promise<Readonly<Record<string, Uint8Array>>>;
  /** Runs them for the engine as a library. */
  readonly runWasm: RunWasm;
}

/** Writes the modules of a corpus beside its policies. */
export async function writeModules(corpus: Corpus, directory: string): Promise<void> {
  for (const [path, bytes] of Object.entries(await corpus.modules())) {
    mkdirSync(dirname(join(directory, path)), { recursive: true });
    writeFileSync(join(directory, path), bytes);
  }
}

/** Facts with `Unable` where the case says so. */
export function factsOf(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  const entries = Object.entries(value);
  if (entries.length === 1 && entries[0]![0] === 'unable') return new Unable(String(entries[0]![1]));
  return Object.fromEntries(entries.map(([key, member]) => [key, factsOf(member)]));
}

/** The cases that every shape of the engine must decide alike. */
export const corpora: readonly Corpus[] = readdirSync(import.meta.dirname)
  .filter((file) => file.endsWith('.yaml'))
  .map((file) => {
    const given = parse(readFileSync(join(import.meta.dirname, file), 'utf8')) as {
      readonly name: string;
      readonly default?: 'allow' | 'deny';
      readonly policies: readonly unknown[];
      readonly cases: readonly Case[];
      /** AssemblyScript by path. */
      readonly modules?: Readonly<Record<string, string>>;
    };
    const text = given.policies.map((policy) => stringify(policy)).join('---\n');
    const otherwise = given.default ?? 'deny';
    let compiled: Promise<Record<string, Uint8Array>> | undefined;
    const modules = () => {
      compiled ??= assembledAll(given.modules ?? {});
      return compiled;
    };
    const runWasm: RunWasm = async ({ module }, input) => {
      const bytes = (await modules())[module];
      return bytes === undefined
        ? { unable: 'there is no such module' }
        : trustedRunner(readModule(bytes).module)(input);
    };
    const engine = new PolicyEngine({ default: otherwise, runWasm });
    for (const policy of new PolicyParser().parseAll(text)) engine.addPolicy(policy);
    const requests = given.cases
      .filter(({ on }) => (on ?? 'request') === 'request')
      .map(({ name, facts }): CorpusRequest => {
        const expected = async () => {
          const response = await engine.evaluate({ requestId: 'r-1', context: factsOf(facts) as FactTree });
          return withoutTimes(response);
        };
        return { name, context: facts, expected };
      });
    return { name: given.name, file, default: otherwise, text, cases: given.cases, requests, modules, runWasm };
  });

async function assembledAll(sources: Readonly<Record<string, string>>): Promise<Record<string, Uint8Array>> {
  const found: Record<string, Uint8Array> = {};
  for (const [path, source] of Object.entries(sources))
    found[path] = await assembled(source === 'template' ? template : source);
  return found;
}

/** An answer as JSON text without what each answer has of its own. */
export function withoutTimes(response: object): string {
  const { evaluationTimeMs: _ms, timestamp: _at, ...said } = response as Record<string, unknown>;
  return JSON.stringify(said);
}
