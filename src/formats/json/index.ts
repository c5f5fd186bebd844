export { parsePath, pathText, under } from './path.ts';
export { openArray, quote } from './skip.ts';
export { type ByteSpan, findSpans } from './spans.ts';
export { applyPatches, type JsonEdit, type Patch, patchesFor, splice } from './splice.ts';
export { isObject, type JsonObject, parseStrict, type StrictOptions, unambiguous } from './strict.ts';
export { json, RawValues, writeJson } from './write.ts';
