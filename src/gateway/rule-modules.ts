import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import type { Metrics } from '../observe/index.ts';
import type { RuleModules } from '../pipeline/index.ts';
import {
  PolicyError,
  type PolicyProblem,
  type Program,
  type Told,
  type WasmAnswer,
  type WasmCall,
  wasmCalls,
} from '../policy/index.ts';
import { openWasmPool, readModule, trustedRunner, type WasmModule, WasmModuleError } from '../rails/index.ts';
import type { SharedVerdicts } from './shared-verdicts.ts';
import { VerdictCache } from './verdict-cache.ts';

/** A policy's file under the name it is shown by, and where it lies. */
export interface PolicyPlace {
  readonly path: string;
  readonly place: string;
  /** Modules that were read with it, in base64, by their paths as written. */
  readonly modules?: Readonly<Record<string, string>>;
}

/** A module of a rule, and whether it runs in the thread that asks. */
interface Read {
  readonly module: WasmModule;
  readonly trusted: ((input: string) => WasmAnswer) | undefined;
}

export interface RuleModuleOptions {
  /** Where verdicts are counted. */
  readonly metrics?: Pick<Metrics, 'verdict'>;
  /** What other gateways know, where rules ask for it. */
  readonly shared?: SharedVerdicts | undefined;
}

/**
 * Takes the modules that a program's rules name as they were read with their policies, or reads them beside those, and
 * runs them: in threads of their own, or those that somebody vouches for in this one. Undefined where no rule has one.
 * @throws PolicyError where a module cannot be read, or breaks the rules for them.
 */
export function openRuleModules(
  program: Program,
  files: readonly PolicyPlace[],
  { metrics, shared }: RuleModuleOptions = {},
): RuleModules | undefined {
  const { modules, problems } = readRuleModules(program, files);
  if (problems.length > 0) throw new PolicyError(problems);
  if (wasmCalls(program, 'request').length === 0) return undefined;
  const pool = openWasmPool();
  const cache = new VerdictCache({ shared });
  return {
    tell: metrics === undefined ? undefined : (told) => count(metrics, told),
    run(call, input, { tenant }) {
      const known = modules.get(keyOf(call));
      if (known === undefined) return { unable: 'only policies of files may have modules' };
      const { module, trusted } = known;
      if (trusted !== undefined && call.trusted) return trusted(input);
      const ask = () => pool.evaluate(module, input, call.deadline_ms);
      if (call.cache === undefined) return ask();
      return cache.answer({ tenant, module: module.hash, input }, call.cache, ask);
    },
    close: () => pool.close(),
  };
}

function count(metrics: Pick<Metrics, 'verdict'>, { asked, hits, skipped }: Told): void {
  if (asked > hits) metrics.verdict('run', asked - hits);
  if (hits > 0) metrics.verdict('cached', hits);
  if (skipped.length > 0) metrics.verdict('skipped', skipped.length);
}

/** What is wrong with the modules a program's rules name, each with its policy's file and line. Nothing is run. */
export function moduleProblems(program: Program, files: readonly PolicyPlace[]): readonly PolicyProblem[] {
  return readRuleModules(program, files).problems;
}

function readRuleModules(program: Program, files: readonly PolicyPlace[]) {
  const places = new Map(files.map((file) => [file.path, file]));
  const modules = new Map<string, Read>();
  const problems: PolicyProblem[] = [];
  for (const call of wasmCalls(program, 'request')) {
    const { module: name, file = '', line, sha256 } = call;
    const place = places.get(file);
    // A policy that was published has no place to look beside.
    if (place === undefined) continue;
    const said = (message: string) =>
      problems.push({ file, line, column: line > 0 ? 1 : 0, message: `the module ${name}: ${message}` });
    try {
      const before = modules.get(keyOf(call));
      const module = before?.module ?? readModule(bytesOf(place, name));
      const trusted = before?.trusted ?? (call.trusted ? trustedRunner(module.module, module.pages) : undefined);
      modules.set(keyOf(call), { module, trusted });
      if (sha256 !== undefined && module.hash !== `sha256:${sha256}`)
        said(`its hash is ${module.hash}, not the one told`);
    } catch (thrown) {
      if (thrown instanceof WasmModuleError) said(thrown.message);
      else said(`it cannot be read (${(thrown as NodeJS.ErrnoException).code ?? 'unknown'})`);
    }
  }
  return { modules, problems };
}

function keyOf({ file, module }: WasmCall): string {
  return JSON.stringify([file, module]);
}

/** Throws as the system does where it cannot be read. */
function bytesOf({ place, modules = {} }: PolicyPlace, name: string): Buffer {
  const read = Object.hasOwn(modules, name) ? modules[name] : undefined;
  if (read !== undefined && read !== '' && !read.startsWith('sha256:')) return Buffer.from(read, 'base64');
  return readFileSync(resolve(dirname(place), name));
}
