import { page_bytes, wasmLimits } from './bounds.ts';
import { type Exports, platform } from './platform.ts';
import { verdictIn, type WasmVerdict } from './verdict.ts';

/**
 * Runs a module somebody vouches for in the caller's thread, at once and on web interfaces alone. One instance is kept
 * between evaluations; it is replaced where it trapped, and where its memory has grown past half of `pages`. What a used
 * instance could not answer is asked of a new one. What goes wrong there too is `unable`, never an exception.
 *
 * A module that does not come to an end cannot be interrupted here: the thread stands still with it.
 */
export function trustedRunner(module: object, pages: number = wasmLimits.pages): (input: string) => WasmVerdict {
  let kept: Exports | undefined;
  const grown_bytes = (pages * page_bytes) / 2;
  const asked = (exports: Exports, input: string): WasmVerdict => {
    const first_bytes = exports.memory.buffer.byteLength;
    const text = output(exports, input);
    const { byteLength } = exports.memory.buffer;
    if (byteLength > pages * page_bytes) throw new Misfit(`its memory has grown to more than ${pages} pages`);
    kept = byteLength > grown_bytes && byteLength > first_bytes ? undefined : exports;
    return verdictIn(text);
  };
  return (input) => {
    const used = kept;
    kept = undefined;
    try {
      if (used !== undefined) return asked(used, input);
    } catch {
      // An instance that was used may have run out of what it never gives back.
    }
    try {
      return asked(started(module), input);
    } catch (thrown) {
      return { unable: thrown instanceof Misfit ? thrown.message : `it trapped: ${reasonOf(thrown)}` };
    }
  };
}

function reasonOf(thrown: unknown): string {
  return (thrown instanceof Error ? thrown.message : String(thrown)).slice(0, 200);
}

/** The module answered, and not as the ABI has it. */
class Misfit extends Error {}

const encoder = new TextEncoder();
const decoder = new TextDecoder('utf-8', { fatal: true });

function started(module: object): Exports {
  const exports = new platform.Instance(module, {}).exports as Exports;
  if (typeof exports._initialize === 'function') exports._initialize();
  const version = exports.abi_version();
  if (version !== 1) throw new Misfit(`it speaks version ${version} of the ABI, not 1`);
  return exports;
}

function output({ memory, alloc, evaluate }: Exports, text: string): string {
  const input = encoder.encode(text);
  if (input.length > wasmLimits.input_bytes)
    throw new Misfit(`its input is larger than ${wasmLimits.input_bytes} bytes`);
  const at = alloc(input.length) >>> 0;
  if (at === 0 || at + input.length > memory.buffer.byteLength)
    throw new Misfit('alloc gave a place outside of its memory');
  new Uint8Array(memory.buffer, at, input.length).set(input);
  const packed = evaluate(at, input.length);
  if (typeof packed !== 'bigint') throw new Misfit('evaluate did not give a 64-bit number');
  const from = Number((packed >> 32n) & 0xffffffffn);
  const length = Number(packed & 0xffffffffn);
  if (length > wasmLimits.output_bytes) throw new Misfit(`its output is larger than ${wasmLimits.output_bytes} bytes`);
  if (from + length > memory.buffer.byteLength) throw new Misfit('its output lies outside of its memory');
  return decoder.decode(new Uint8Array(memory.buffer, from, length));
}
