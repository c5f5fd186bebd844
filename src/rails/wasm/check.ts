import { platform } from './platform.ts';

/** What is wrong with a module. */
export class WasmModuleError extends Error {
  override readonly name = 'WasmModuleError';
}

const wanted = [
  ['memory', 'memory'],
  ['alloc', 'function'],
  ['evaluate', 'function'],
  ['abi_version', 'function'],
] as const;

/** A compiled module imports nothing and exports what the ABI names. On web interfaces alone. @throws WasmModuleError */
export function checkModule(module: object): void {
  const [imported] = platform.Module.imports(module);
  if (imported !== undefined)
    throw new WasmModuleError(`it imports ${imported.module}.${imported.name}; a rule may import nothing`);
  const exported = platform.Module.exports(module);
  for (const [name, kind] of wanted) {
    if (!exported.some((one) => one.name === name && one.kind === kind))
      throw new WasmModuleError(`it does not export the ${kind} ${name}`);
  }
}
