import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import type { RuleModules } from '../pipeline/index.ts';
import { PolicyError, type PolicyProblem, type Program, wasmCalls } from '../policy/index.ts';
import { openWasmPool, readModule, type WasmModule, WasmModuleError } from '../rails/index.ts';

/**
 * Reads the modules that a program's rules name, beside the files of their policies, and runs them in threads of their
 * own; undefined where no rule has one. @throws PolicyError where a module cannot be read, or breaks the rules for them.
 */
export function openRuleModules(
  program: Program,
  files: readonly { readonly path: string; readonly place: string }[],
): RuleModules | undefined {
  const calls = wasmCalls(program, 'request');
  if (calls.length === 0) return undefined;
  const places = new Map(files.map(({ path, place }) => [path, place]));
  const modules = new Map<string, WasmModule>();
  const problems: PolicyProblem[] = [];
  for (const { fact, module, file = 'policy', line, sha256 } of calls) {
    const said = (message: string) =>
      problems.push({ file, line, column: line > 0 ? 1 : 0, message: `the module ${module}: ${message}` });
    try {
      const read = readModule(readFileSync(resolve(dirname(places.get(file) ?? file), module)));
      modules.set(fact, read);
      if (sha256 !== undefined && read.hash !== `sha256:${sha256}`) said(`its hash is ${read.hash}, not the one told`);
    } catch (thrown) {
      if (thrown instanceof WasmModuleError) said(thrown.message);
      else said(`it cannot be read (${(thrown as NodeJS.ErrnoException).code ?? 'unknown'})`);
    }
  }
  if (problems.length > 0) throw new PolicyError(problems);
  const pool = openWasmPool();
  return {
    async run({ fact, deadline_ms }, input) {
      const module = modules.get(fact);
      return module === undefined ? { unable: 'there is no such module' } : pool.evaluate(module, input, deadline_ms);
    },
    close: () => pool.close(),
  };
}
