import { createHash } from 'node:crypto';

/** Bounds of a module. A page is 64 KiB. */
export const wasmLimits = {
  module_bytes: 4 * 1024 * 1024,
  /** The most a module may declare as its memory's maximum: 16 MiB. */
  pages: 256,
  /** Of the JSON that goes in, and of the JSON that comes out. */
  input_bytes: 1024 * 1024,
  output_bytes: 64 * 1024,
} as const;

/** A module that keeps to the ABI, compiled. */
export interface WasmModule {
  /** `sha256:...` of its bytes. */
  readonly hash: string;
  readonly module: object;
}

interface Part {
  readonly module: string;
  readonly name: string;
  readonly kind: string;
}

/** What of the platform is used here: its types come with browsers' alone. */
interface Platform {
  validate(bytes: Uint8Array): boolean;
  readonly Module: {
    new (bytes: Uint8Array): object;
    imports(module: object): readonly Part[];
    exports(module: object): readonly Part[];
  };
}

const { WebAssembly: platform } = globalThis as unknown as { readonly WebAssembly: Platform };

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

/**
 * Checks a module's bytes and compiles them: it must be valid, import nothing, declare one memory with a maximum within
 * the bound, and export what the ABI names. @throws WasmModuleError
 */
export function readModule(bytes: Uint8Array): WasmModule {
  if (bytes.length > wasmLimits.module_bytes)
    throw new WasmModuleError(`it is larger than ${wasmLimits.module_bytes} bytes`);
  const copy = Uint8Array.from(bytes);
  if (!platform.validate(copy)) throw new WasmModuleError('it is no valid WebAssembly module');
  const module = new platform.Module(copy);
  const [imported] = platform.Module.imports(module);
  if (imported !== undefined)
    throw new WasmModuleError(`it imports ${imported.module}.${imported.name}; a rule may import nothing`);
  const exported = platform.Module.exports(module);
  for (const [name, kind] of wanted) {
    if (!exported.some((one) => one.name === name && one.kind === kind))
      throw new WasmModuleError(`it does not export the ${kind} ${name}`);
  }
  const pages = memoryPages(copy);
  if (pages === undefined) throw new WasmModuleError('its memory must declare a maximum');
  if (pages > wasmLimits.pages)
    throw new WasmModuleError(`its memory may grow to ${pages} pages; at most ${wasmLimits.pages} are allowed`);
  return { hash: `sha256:${createHash('sha256').update(copy).digest('hex')}`, module };
}

/** Id of the section that declares memories. */
const memorySection = 5;

/** The declared maximum of a valid module's memory, which no interface of the platform tells. */
function memoryPages(bytes: Uint8Array): number | undefined {
  let at = 8;
  const number = (): number => {
    let value = 0;
    for (let factor = 1; ; factor *= 128) {
      const byte = bytes[at++] ?? 0;
      value += (byte & 127) * factor;
      if (byte < 128) return value;
    }
  };
  while (at < bytes.length) {
    const id = bytes[at++];
    const size = number();
    if (id !== memorySection) {
      at += size;
      continue;
    }
    if (number() !== 1) return undefined;
    const flags = number();
    number();
    return (flags & 1) === 1 ? number() : undefined;
  }
  return undefined;
}
