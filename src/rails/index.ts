/** The room's face: the streaming matcher, what the guard does with its spans, and the list of rails. */
export { compileMatcher } from './compile.ts';
export { PatternError } from './matcher/pattern-error.ts';
export { railByName, rails, streamingTypes } from './rails.ts';
export { applySpans, type Redacted, redactText } from './redact.ts';
export { wasmLimits } from './wasm/bounds.ts';
export { WasmModuleError } from './wasm/check.ts';
export { readModule, type WasmModule } from './wasm/module.ts';
export { openWasmPool, type WasmPool, type WasmPoolOptions } from './wasm/pool.ts';
export { trustedRunner } from './wasm/trusted.ts';
export type { WasmVerdict } from './wasm/verdict.ts';
