/** The room's face: the streaming matcher, what the guard does with its spans, and the list of rails. */
export { compileMatcher } from './compile.ts';
export { PatternError } from './matcher/pattern-error.ts';
export { railByName, rails, streamingTypes } from './rails.ts';
export { applySpans, type Redacted, redactText } from './redact.ts';
export { readModule, type WasmModule, WasmModuleError, wasmLimits } from './wasm/module.ts';
export { openWasmPool, type WasmPool, type WasmPoolOptions } from './wasm/pool.ts';
export type { WasmVerdict } from './wasm/verdict.ts';
