import { type Modules, type Program, type WasmAnswer, wasmCalls } from '../policy/index.ts';
import { checkModule } from '../rails/wasm/check.ts';
import { trustedRunner } from '../rails/wasm/trusted.ts';

/**
 * Runs compiled modules (`WebAssembly.Module`), given by the paths that policies write, in the thread that asks: whoever
 * deploys the worker vouches for them. One that is not given is `unable`. On web interfaces alone. Throws `TypeError` for
 * one that no rule names, that breaks the ABI, or whose hash a policy wants to be sure of: a compiled module tells none.
 */
export function edgeModules(program: Program, given: Readonly<Record<string, object>> = {}): Modules {
  const runners = new Map<string, (input: string) => WasmAnswer>();
  const calls = wasmCalls(program, 'request');
  for (const [name, module] of Object.entries(given)) {
    const wanting = calls.filter((call) => call.module === name);
    const wrong = (why: string) => new TypeError(`modules: ${name}: ${why}`);
    if (wanting.length === 0) throw wrong('no rule names it');
    if (wanting.some(({ sha256 }) => sha256 !== undefined))
      throw wrong('a policy names its hash, which cannot be told of a compiled module');
    if (Object.prototype.toString.call(module) !== '[object WebAssembly.Module]')
      throw wrong('it is no WebAssembly.Module');
    try {
      checkModule(module);
    } catch (thrown) {
      throw wrong((thrown as Error).message);
    }
    runners.set(name, trustedRunner(module));
  }
  return {
    run: ({ module }, input) => runners.get(module)?.(input) ?? { unable: 'its module was not run' },
  };
}
