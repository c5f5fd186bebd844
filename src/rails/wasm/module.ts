import { createHash } from 'node:crypto';
import { wasmLimits } from './bounds.ts';
import { checkModule, WasmModuleError } from './check.ts';
import { platform } from './platform.ts';
import { memoryPages, type Rewind, rewindable } from './rewind.ts';

/** A module that keeps to the ABI, compiled. */
export interface WasmModule {
  /** `sha256:...` of its bytes. */
  readonly hash: string;
  readonly module: object;
  /** How an instance is put back to how it was when it was new; undefined where that cannot be done for certain. */
  readonly rewind: Rewind | undefined;
  /** How far its memory may grow. */
  readonly pages: number;
}

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
  checkModule(module);
  const pages = memoryPages(copy);
  if (pages === undefined) throw new WasmModuleError('its memory must declare a maximum');
  if (pages > wasmLimits.pages)
    throw new WasmModuleError(`its memory may grow to ${pages} pages; at most ${wasmLimits.pages} are allowed`);
  const hash = `sha256:${createHash('sha256').update(copy).digest('hex')}`;
  const shown = rewindable(copy);
  const showing = shown !== undefined && platform.validate(shown.bytes);
  return showing
    ? { hash, pages, module: new platform.Module(shown.bytes), rewind: shown.rewind }
    : { hash, pages, module, rewind: undefined };
}
