import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import type { RuleModules } from '../pipeline/index.ts';
import { PolicyError, type PolicyProblem, type Program, type WasmCall, wasmCalls } from '../policy/index.ts';
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
  for (const call of calls) {
    const { module, file = '', line, sha256 } = call;
    const place = places.get(file);
    // A policy that was published has no place to look beside.
    if (place === undefined) continue;
    const said = (message: string) =>
      problems.push({ file, line, column: line > 0 ? 1 : 0, message: `the module ${module}: ${message}` });
    try {
      const read = readModule(readFileSync(resolve(dirname(place), module)));
      modules.set(keyOf(call), read);
      if (sha256 !== undefined && read.hash !== `sha256:${sha256}`) said(`its hash is ${read.hash}, not the one told`);
    } catch (thrown) {
      if (thrown instanceof WasmModuleError) said(thrown.message);
      else said(`it cannot be read (${(thrown as NodeJS.ErrnoException).code ?? 'unknown'})`);
    }
  }
  if (problems.length > 0) throw new PolicyError(problems);
  const pool = openWasmPool();
  return {
    async run(call, input) {
      const module = modules.get(keyOf(call));
      return module === undefined
        ? { unable: 'only policies of files may have modules' }
        : pool.evaluate(module, input, call.deadline_ms);
    },
    close: () => pool.close(),
  };
}

function keyOf({ file, module }: WasmCall): string {
  return JSON.stringify([file, module]);
}
