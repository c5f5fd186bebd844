// A rule in AssemblyScript: matches when `request.tags` names the environment, and the prompt is long.
//
//   npx asc rule.ts --outFile rule.wasm --runtime stub --optimize --use abort= --initialMemory 2 --maximumMemory 32
//
// `--use abort=` takes away the one function AssemblyScript would import.

export function abi_version(): i32 {
  return 1;
}

/** A place of `length` bytes for the input. */
export function alloc(length: i32): usize {
  return heap.alloc(<usize>length);
}

/** Where the output begins, and how long it is, in one number. */
function packed(text: string): i64 {
  const bytes = String.UTF8.encode(text);
  return ((<i64>changetype<usize>(bytes)) << 32) | <i64>bytes.byteLength;
}

/** The number after `"name":`, or -1. Inputs are one flat JSON object, so this is enough for numbers. */
function numberOf(json: string, name: string): f64 {
  const key = `"${name}":`;
  const at = json.indexOf(key);
  if (at < 0) return -1;
  let end = at + key.length;
  while (end < json.length && '0123456789.eE+-'.includes(json.charAt(end))) end++;
  return parseFloat(json.substring(at + key.length, end));
}

export function evaluate(ptr: usize, length: i32): i64 {
  const input = String.UTF8.decodeUnsafe(ptr, <usize>length);
  const tokens = numberOf(input, 'llm.estimatedTokens');
  if (tokens < 0) return packed('{"unable":"llm.estimatedTokens is not there"}');
  return packed(tokens > 4000 ? '{"match":true,"reason":"Too long for this rule"}' : '{"match":false}');
}
